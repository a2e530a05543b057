"""What a webhook's message must look like, and how a chart's ticker names one of our markets. Pure."""

import re
from collections.abc import Collection
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from hedged.domain.clock import SECOND_MS
from hedged.domain.errors import Rejected
from hedged.domain.signals import ALL, Action, Signal

TICKER = re.compile(
    r"(?:[A-Z0-9_]+:)?(?P<coin>[A-Z0-9]+?)(?:[-_/]?(?:USDT|USDC|USD))?(?:\.P|[-_]?PERP|[-_]?SWAP)?"
)
"""As TradingView writes it: `INJUSDT`, `BINANCE:INJUSDT.P`, `INJUSDTPERP`; or the coin alone."""


class SignalForm(BaseModel):
    """One message, without its secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$")]
    time: AwareDatetime
    action: Action
    symbol: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:._/*-]{1,40}$")]
    strength: float = Field(0.5, ge=0, le=1, allow_inf_nan=False)
    ttl_s: int = Field(3_600, ge=60)
    note: Annotated[str, StringConstraints(max_length=200)] = ""

    @property
    def time_ms(self) -> int:
        """When it was made, ms since the epoch."""
        return round(self.time.timestamp() * SECOND_MS)


def read_form(message: dict[str, Any]) -> SignalForm:
    """Check a message. Raises Rejected that names the fields at fault and none of their values."""
    try:
        return SignalForm.model_validate(message)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))[:40]}: {fault['type']}" for fault in error.errors()[:5])
        raise Rejected("; ".join(faults)) from None


def symbol_of(ticker: str, symbols: Collection[str]) -> str | None:
    """Return which market a ticker means, ALL for `*`, None where it is none of ours."""
    if ticker == ALL:
        return ALL
    upper = ticker.upper()
    if upper in symbols:
        return upper
    found = TICKER.fullmatch(upper)
    return found["coin"] if found and found["coin"] in symbols else None


def signal_of(form: SignalForm, symbol: str, now_ms: int) -> Signal:
    """Make the signal of a checked message, in force from now."""
    return Signal(form.id, form.action, symbol, form.strength, now_ms, now_ms + form.ttl_s * SECOND_MS)
