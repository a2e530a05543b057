"""When what venues tell of the account is not believed, or not enough to go on."""

from datetime import UTC, datetime
from decimal import Decimal

from pydantic import Field, field_validator

from hedged.config.section import Section
from hedged.domain.clock import SECOND_MS


class ReconcileConfig(Section):
    """Executions against positions, payments against settlements, orders that nobody owns."""

    open_orders_s: int = Field(300, ge=5, le=3_600, description="resting orders are asked for so often")
    evidence_s: int = Field(
        60, ge=0, le=3_600, description="executions may explain a changed position so much later"
    )
    evidence_accept_s: int = Field(
        900, ge=60, le=86_400, description="a difference that stands unchanged for so long is the new truth"
    )
    lookback_h: int = Field(
        168,
        ge=0,
        le=720,
        description="with a new journal: fills of a lost one are looked for in so many hours",
    )
    disown_before: datetime | None = Field(
        None,
        description="after a lost journal: what carries the daemon's tag and is older is the trader's own",
    )
    payment_grace_s: int = Field(
        3_600, ge=60, le=21_600, description="a venue may book funding so long after its settlement"
    )
    ledger_tolerance: Decimal = Field(
        Decimal("0.02"),
        gt=0,
        le=1,
        description="share by which a payment may differ from rate × price × quantity",
    )
    ledger_halt_bp: Decimal = Field(
        Decimal(10), gt=0, description="unexplained funding within a day, of equity: more than this halts"
    )

    @field_validator("disown_before")
    @classmethod
    def _has_a_zone(cls, value: datetime | None) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value

    @property
    def disown_before_ms(self) -> int:
        """`disown_before` in ms since the epoch; 0 where nothing is disowned."""
        return round(self.disown_before.timestamp() * SECOND_MS) if self.disown_before else 0
