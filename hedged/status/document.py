"""The status document: what runs, what is held, what it is expected to bring, what was decided, what is wrong.

`GET /api/status` serves it as JSON; the status page and `hedged status` read the same. Times are Unix milliseconds,
money is USD and > 0 received, quantities are signed coins (> 0 long), rates are per hour and positive when longs pay.
null is unknown, never zero; an empty list says that there is none.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Told(BaseModel):
    """A part of the document: it never changes, and a number in it is a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Amount(Told):
    """Funding within a span: the mean of its law, and the ends of the 80 % band. USD, > 0 received."""

    mean_usd: float
    low_usd: float
    high_usd: float


class About(Told):
    """What runs. `account`: whose positions are protected, in words; `model_hash` null: no app runs yet."""

    version: str
    mode: Literal["paper", "live"]
    account: str
    data: str = Field(description="where market data come from: simulated, venues, recorded")
    forecaster: str
    config_hash: str
    model_hash: str | None
    feature_hash: str | None
    started_ms: int
    now_ms: int
    paper_days: int | None = Field(
        description="UTC days on which a cycle ran in paper mode, this one included"
    )
    paper_days_goal: int


class Latch(Told):
    """The kill switch while it is latched. `text`: level, reason, who and when in one line."""

    level: str
    reason: str
    by: str
    at_ms: int
    text: str


class Health(Told):
    """`state`: starting, running or stopping; `reasons`: why not ready, `not_alive`: why it should be restarted;
    `halted`: why nothing may be opened anywhere, the latch aside; `can_kill`: whether the switch can be turned from
    here (a token is configured and the journal is open).
    """

    state: Literal["starting", "running", "stopping"]
    ready: bool
    alive: bool
    reasons: tuple[str, ...]
    not_alive: tuple[str, ...]
    latch: Latch | None
    halted: tuple[str, ...]
    can_kill: bool
    backfilled: float | None = Field(description="share of the window that is filled; null once it runs")


class Cycle(Told):
    """`next_ms`: when the coming one is due; `missed`: how many fell out since the start."""

    interval_s: int
    last_ms: int | None
    next_ms: int | None
    took_s: float | None
    missed: int


class AlertRow(Told):
    """An alert that is active."""

    kind: str
    severity: str
    subject: str
    text: str
    since_ms: int


class HedgeLeg(Told):
    """What the daemon holds at a venue. On Injective against `own_quantity` it is a cut of the trader's position."""

    venue: str
    quantity: float
    usd: float | None
    strategy: str | None


class BookRow(Told):
    """A market of the book: what the trader holds, and what its funding is expected to be within `horizon_h`.

    `own`: of the trader's position as if nothing were hedged, `hedged`: of all that is really held. `action`,
    `reason`: of the latest decision.
    """

    symbol: str
    own_quantity: float | None
    own_usd: float | None
    mark_price: float | None
    horizon_h: float
    own: Amount | None
    hedged: Amount | None
    hedge: tuple[HedgeLeg, ...]
    action: str | None
    reason: str | None


class AheadRow(Told):
    """The whole book's funding within the coming `hours`; `unknown`: symbols in no sum, as a rate is not forecast."""

    hours: int
    own: Amount
    hedged: Amount
    rests_on: str
    unknown: tuple[str, ...]


class Saved(Told):
    """What hedging has brought so far, whole life of the journal. `net_usd` = funding that was spared and received,
    less costs, plus what price moves between the legs brought.
    """

    net_usd: float | None
    funding_usd: float | None
    costs_usd: float | None
    basis_usd: float | None
    since_ms: int | None


class Collateral(Told):
    """A venue's collateral. `margin_call_move`: the relative price move, all prices at once against the legs there, at
    which the nearest of them is liquidated; `nearest`: its symbol. null: nothing is held there, or it is not known.
    """

    venue: str
    equity_usd: float | None
    free_usd: float | None
    used_usd: float | None
    margin_call_move: float | None
    nearest: str | None
    held: bool
    unknown: str | None = Field(description="why the venue could not be asked")


class Stop(Told):
    """How far a hedge is from its stop: unwound when `loss_usd` exceeds `allowance_usd`.

    `state`: watched, blind (cannot be valued), unwinding, resting (nothing is opened before `until_ms`).
    """

    symbol: str
    state: Literal["watched", "blind", "unwinding", "resting"]
    loss_usd: float | None
    allowance_usd: float | None
    until_ms: int | None
    why: str
    liquidation: dict[str, float] = Field(description="relative adverse move to liquidation, by venue")


class Settled(Told):
    """A settlement beside what had been forecast of it. Rates per hour; `inside`: within the 80 % band."""

    ts_ms: int
    rate: float
    p10: float
    p50: float
    p90: float
    inside: bool


class Forecast(Told):
    """The law of a market's mean rate per hour over the coming `hours`, and how the last ones did.

    `hours`, `mean`, `p10` … `p90` are as long as each other; `past_ms`, `past`: what settled, oldest first; `settled`:
    those that had been forecast since this process began; `missed` of the `judged` latest fell outside the 80 % band.
    """

    venue: str
    symbol: str
    forecaster: str
    made_ms: int
    hours: tuple[float, ...]
    mean: tuple[float | None, ...]
    p10: tuple[float | None, ...]
    p25: tuple[float | None, ...]
    p50: tuple[float | None, ...]
    p75: tuple[float | None, ...]
    p90: tuple[float | None, ...]
    p_up: float | None
    past_ms: tuple[int, ...]
    past: tuple[float, ...]
    settled: tuple[Settled, ...]
    last_error: Settled | None
    missed: int | None
    judged: int | None


class Decision(Told):
    """A decision. `explanation`: by heading, the lines that `hedged explain` prints of it."""

    symbol: str
    ts_ms: int
    action: str
    rule: str | None
    reason: str
    explanation: tuple[tuple[str, str], ...]


class VenueRow(Told):
    """How a venue's data stand. Ages by kind of value, s; `up`: whether all streams are; null where it is polled."""

    venue: str
    up: bool | None
    streams: dict[str, bool]
    ages_s: dict[str, float]
    lags_s: dict[str, float]
    oldest_s: float | None = Field(description="age of the oldest followed series; null: one was never seen")
    stale: bool
    unknown: str | None = Field(description="why the account there could not be asked")


class Doubt(Told):
    """A series that is not believed, or a market on which what venues tell of the account does not agree."""

    venue: str
    symbol: str
    what: str
    why: str
    since_ms: int | None


class Status(Told):
    """The whole document."""

    about: About
    health: Health
    cycle: Cycle
    alerts: tuple[AlertRow, ...]
    book: tuple[BookRow, ...]
    ahead: tuple[AheadRow, ...]
    saved: Saved | None
    collateral: tuple[Collateral, ...]
    stops: tuple[Stop, ...]
    decisions: tuple[Decision, ...] = Field(
        description="the latest of every symbol, then earlier ones, newest first"
    )
    forecasts: tuple[Forecast, ...]
    venues: tuple[VenueRow, ...]
    quarantined: tuple[Doubt, ...]
    disagreements: tuple[Doubt, ...]
