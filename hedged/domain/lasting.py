"""What runs beside the cycles."""

from typing import Protocol


class Lasting(Protocol):
    """What runs beside the cycles for as long as they do: live data, the reports on them."""

    async def run(self) -> None:
        """Run until cancelled."""
        ...
