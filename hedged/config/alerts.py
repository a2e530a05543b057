"""When the operator is told that the forecast was wrong (layer 3, requirement A8)."""

from decimal import Decimal

from pydantic import Field

from hedged.config.section import Section


class AlertsConfig(Section):
    """A settlement far from its forecast is told once: beyond both of these."""

    deviation_bands: float = Field(
        3.0, gt=0, description="distance from the forecast's median, in half-widths of its 80 % band"
    )
    deviation_floor: Decimal = Field(
        Decimal("0.0003"), ge=0, description="and at least this much per 8 hours (0.0003 is 0.03 %)"
    )
