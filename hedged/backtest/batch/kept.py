"""What a run leaves behind, without a row for every hour of every market: read, it is as if there were one."""

from hedged.backtest.batch.account import Account
from hedged.backtest.runner import Window
from hedged.domain.funding import FundingPayment


def payments_of(account: Account, window: Window) -> list[FundingPayment]:
    """Return every payment of a window by instant and market: on what was held strictly before each settlement."""
    paid = [
        payment for key in account.followed for payment in account.paid(key, window.from_ms, window.to_ms - 1)
    ]
    return sorted(paid, key=lambda p: (p.settlement.ts_ms, p.settlement.key))
