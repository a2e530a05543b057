"""Funding payments of the account: the chain's amount, and the settlement and quantity that it stands for.

The indexer tells the amount alone (> 0 was received). The quantity is the amount over the charge per coin; where only
the rate's six decimals are known that is inexact, so the present position counts where it agrees within their error.
"""

from decimal import Decimal

from pyinjective.proto.exchange import injective_derivative_exchange_rpc_pb2 as indexer_pb2

from hedged.adapters.injective.board import Ticker
from hedged.adapters.injective.prints import Print, settlement
from hedged.adapters.injective.units import quote
from hedged.domain.funding import FundingPayment

AGREES = Decimal("0.25")
"""Relative error up to which a quantity inferred from rounded rates and a neighbouring price is the present one."""
STEP = Decimal("1e-9")


def read_payment(
    row: indexer_pb2.FundingPayment, ticker: Ticker, ts_ms: int, held: Decimal | None
) -> FundingPayment | None:
    """Read a payment of the settlement that was due at `ts_ms`; `held`: the signed position now.

    None while neither its print nor its quantity is known.
    """
    perpetual = ticker.perpetual
    rule, decimals = perpetual.rule, perpetual.quote_decimals
    amount, printed = quote(row.amount, decimals), ticker.prints.at(ts_ms)
    known = ticker.price_at(row.timestamp)
    price = printed.price if printed and printed.price else known[0] if known else None
    if price is None:
        return None
    if printed is None:
        if not held:
            return None
        printed = Print(ts_ms, row.timestamp, -amount / held / price, price)
    charge = printed.rate * price
    quantity = held or Decimal(0)
    if charge:
        inferred = -amount / charge
        near = held is not None and abs(inferred - held) <= AGREES * abs(held)
        if printed.price is not None or not near:
            quantity = inferred.quantize(STEP)
    return FundingPayment(settlement(perpetual.market.key, printed, rule, price), quantity, amount)
