"""The status document: what runs, what is held, what it is expected to bring, what was decided, what is wrong.

`GET /api/status` serves it as JSON; the status page and `hedged status` read the same. Times are Unix milliseconds,
money is USD and > 0 received, quantities are signed coins (> 0 long), rates are per hour and > 0 when longs pay.
null is unknown, never zero; an empty list says that there is none.
"""

from typing import Literal

from pydantic import Field

from hedged.status.document_scores import ContestRow, Scores
from hedged.status.told import Told


class Amount(Told):
    """Funding within a span: the mean of its law, and the ends of the 80 % band. USD, > 0 received."""

    mean_usd: float
    low_usd: float
    high_usd: float


class About(Told):
    """What runs. Hashes of model and features: null before the app exists."""

    version: str
    mode: Literal["paper", "live"]
    account: str = Field(description="the name of the account, as the configuration gives it")
    book: str = Field(description="whose positions are protected: an address, or those of the configuration")
    data: str = Field(description="where market data come from: simulator or venues")
    forecaster: str
    config_hash: str
    model_hash: str | None
    feature_hash: str | None
    started_ms: int
    now_ms: int
    paper_days: int | None = Field(
        description="UTC days on which a cycle ran in paper mode, in the whole life of the journal; null: live, or "
        "not known yet"
    )
    paper_days_goal: int
    training: str | None = Field(description="the training at hand, in a line; null: none")
    announced: str | None = Field(
        description="what venues announce (maintenance, delistings); null: not followed"
    )
    market: str | None = Field(
        description="what the market is like and what of it has changed; null: not known yet"
    )
    drift: str | None = Field(
        description="whether the model has drifted, and by what figures; null: not judged yet"
    )


class Latch(Told):
    """The kill switch while it is latched. `text`: all of it, and what is left to do, in one line."""

    level: str
    reason: str
    by: str
    at_ms: int
    text: str


class Health(Told):
    """How the daemon is. `reasons`: why it is not ready; `halted`: why nothing is opened anywhere, the latch aside."""

    state: Literal["starting", "running", "stopping"]
    ready: bool
    alive: bool
    reasons: tuple[str, ...]
    not_alive: tuple[str, ...] = Field(description="why it should be restarted")
    latch: Latch | None
    halted: tuple[str, ...]
    backfilled: float | None = Field(
        description="share of the window that is filled; null once the daemon is prepared"
    )


class Cycle(Told):
    """When decisions are made. `missed`: how many fell out since the start."""

    interval_s: int
    last_ms: int | None
    next_ms: int | None
    took_s: float | None
    missed: int


class AlertRow(Told):
    """An alert that stands."""

    kind: str
    severity: str
    subject: str
    text: str
    since_ms: int


class HedgeLeg(Told):
    """What the daemon holds at a venue. On Injective against the trader's position it is a cut of that."""

    venue: str
    quantity: float
    usd: float | None
    strategy: str | None


class BookRow(Told):
    """A market of the book: what the trader holds, and what its funding is expected to be within `horizon_h`.

    `own`: of the trader's position as if nothing were hedged, `hedged`: of all that is really held.
    """

    symbol: str
    own_quantity: float | None
    own_usd: float | None
    mark_price: float | None
    horizon_h: float
    own: Amount | None
    hedged: Amount | None
    hedge: tuple[HedgeLeg, ...]
    action: str | None = Field(description="of the latest decision")
    reason: str | None


class AheadRow(Told):
    """The whole book's funding within the coming `hours`; its band is no sum of the markets' bands."""

    hours: float
    decides: bool = Field(description="whether this is the horizon by which hedges are decided")
    own: Amount
    hedged: Amount
    rests_on: str
    unknown: tuple[str, ...] = Field(description="symbols in no sum, as a rate is not forecast")


class Saved(Told):
    """What hedging has brought in the life of the journal. `net_usd` = `funding_usd` + `price_usd` − `costs_usd`."""

    net_usd: float
    funding_usd: float = Field(description="funding that legs received, and that cuts spared")
    price_usd: float = Field(description="what the price between the legs and what they offset has moved")
    costs_usd: float = Field(description="fees and spread")
    unhedged_usd: float | None = Field(description="funding as it would have been without the daemon")
    since_ms: int | None = Field(description="the first decision that the journal knows of")


class Collateral(Told):
    """A venue's collateral. `margin_call_move`: the relative price move, all prices at once against what is held there,
    at which the nearest position reaches its maintenance margin; null where nothing is `held`, or it is not known.
    """

    venue: str
    equity_usd: float | None
    free_usd: float | None
    used_usd: float | None
    held: bool
    margin_call_move: float | None
    nearest: str | None = Field(description="the symbol of the position that is nearest")
    unknown: str | None = Field(description="why the venue could not be asked")


class Stop(Told):
    """How far a hedge is from its stop: it is unwound when `loss_usd` exceeds `allowance_usd`.

    `state`: watched; blind: it cannot be valued, for `why`; unwinding; resting: nothing is opened before `until_ms`.
    """

    symbol: str
    strategy: str
    state: Literal["watched", "blind", "unwinding", "resting"]
    loss_usd: float | None
    allowance_usd: float | None
    until_ms: int | None
    why: str | None
    liquidation: dict[str, float] = Field(description="relative adverse move to liquidation, by venue")


class Settled(Told):
    """A settlement beside what had been forecast of it. Rates per hour; `inside`: within the 80 % band."""

    ts_ms: int
    rate: float
    p10: float
    p50: float
    p90: float
    inside: bool


class Coming(Told):
    """The law of the rate of a market's coming settlement, per hour; `at_ms` null: when it falls is not told."""

    at_ms: int | None
    p10: float
    p50: float
    p90: float


class Forecast(Told):
    """The law of a market's mean rate per hour over the coming `hours`, and how the last ones did.

    `hours`, `mean`, `p10` … `p90` are as long as each other; `past_ms`, `past`: what settled, oldest first. Of the
    `judged` latest settlements `missed` fell outside the 80 % band: a fifth should.
    """

    venue: str
    symbol: str
    forecaster: str
    made_ms: int
    hours: tuple[float, ...]
    mean: tuple[float, ...]
    p10: tuple[float, ...]
    p25: tuple[float, ...]
    p50: tuple[float, ...]
    p75: tuple[float, ...]
    p90: tuple[float, ...]
    p_up: float | None = Field(description="chance that the mean exceeds the last settled rate")
    past_ms: tuple[int, ...]
    past: tuple[float, ...]
    coming: Coming | None
    last_error: Settled | None = Field(description="null: none has settled since the process began")
    mean_error: float | None = Field(description="mean distance from the median, of the settled of this life")
    missed: int | None
    judged: int | None


class SpanTold(Told):
    """A market's funding within the coming `hours`."""

    hours: float
    own: Amount
    hedged: Amount | None


class RateTold(Told):
    """A venue's rate as it was forecast for the horizon; null: unknown, for the reason in `note`."""

    venue: str
    mean: float | None
    p10: float | None
    p90: float | None
    p_up: float | None
    note: str | None


class LegTold(Told):
    """A hedge that there was (`kind`: cut, opposite, relocate): basis points of its size, and why it is no larger."""

    kind: str
    venue: str
    rule: str
    why: str
    now_usd: float
    target_usd: float
    saves_bp: float
    later_bp: float
    costs_bp: float
    break_even_h: float | None = Field(description="null: it never earns its cost")
    confidence: float


class Driver(Told):
    """A group of inputs, and what it moves the forecast by, per hour."""

    name: str
    moved: float


class Explanation(Told):
    """Why a decision is as it is: what `hedged explain` prints."""

    rule: str | None
    rule_text: str | None
    wanted: tuple[HedgeLeg, ...]
    spans: tuple[SpanTold, ...]
    rates: tuple[RateTold, ...]
    legs: tuple[LegTold, ...]
    closed: dict[str, str] = Field(description="venues on which nothing may be opened, and why")
    last_rate: float | None = Field(description="the last settled rate on Injective, which the drivers move")
    drivers: tuple[Driver, ...]
    drivers_text: str | None


class Decision(Told):
    """A decision. `explanation`: of the latest of each symbol; `hedged explain --at` tells that of earlier ones."""

    symbol: str
    ts_ms: int
    action: str
    reason: str
    strategies: dict[str, str] = Field(description="what strategies beside the funding hedge say")
    explanation: Explanation | None


class VenueRow(Told):
    """How a venue's data stand. Ages and lags by kind of value, of the oldest market, in seconds."""

    venue: str
    streams: dict[str, bool] = Field(description="which are up; empty: none is told of")
    ages_s: dict[str, float]
    lags_s: dict[str, float]
    messages: int | None
    oldest_s: float | None = Field(
        description="age of the oldest price, as streams or the last cycle confirmed it; null: one was never seen"
    )
    stale: bool
    notes: tuple[str, ...] = Field(description="what is wrong there, or closed")


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
    decisions: tuple[Decision, ...] = Field(description="the latest of every symbol")
    earlier: tuple[Decision, ...] = Field(description="decisions that changed something, newest first")
    forecasts: tuple[Forecast, ...]
    scores: Scores | None = Field(description="null: no forecast has been taken yet")
    contests: tuple[ContestRow, ...] = Field(description="of the models in shadow with the champion")
    venues: tuple[VenueRow, ...]
    quarantined: tuple[Doubt, ...]
    disagreements: tuple[Doubt, ...]
