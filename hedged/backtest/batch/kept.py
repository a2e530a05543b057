"""What a run was paid, put together when it is asked for: memory does not grow with the hours that were played."""

from collections.abc import Iterator, Sequence
from typing import overload

from hedged.backtest.batch.account import Account
from hedged.backtest.runner import Window
from hedged.domain.funding import FundingPayment


class Payments(Sequence[FundingPayment]):
    """Every payment of a window by instant and market, on what was held strictly before each settlement."""

    def __init__(self, account: Account, window: Window) -> None:
        self._account, self._window = account, window
        self._all: list[FundingPayment] | None = None

    def _told(self) -> list[FundingPayment]:
        if self._all is None:
            account, window = self._account, self._window
            account.prints = {}
            paid = [
                p for key in account.followed for p in account.paid(key, window.from_ms, window.to_ms - 1)
            ]
            self._all = sorted(paid, key=lambda p: (p.settlement.ts_ms, p.settlement.key))
        return self._all

    def __len__(self) -> int:
        return len(self._told())

    @overload
    def __getitem__(self, index: int) -> FundingPayment: ...
    @overload
    def __getitem__(self, index: slice) -> list[FundingPayment]: ...
    def __getitem__(self, index: int | slice) -> FundingPayment | list[FundingPayment]:
        return self._told()[index]

    def __iter__(self) -> Iterator[FundingPayment]:
        return iter(self._told())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._told() == list(other)

    __hash__ = None  # type: ignore[assignment]
