"""The section of the configuration about what is recorded."""

from pathlib import Path

from pydantic import Field

from hedged.config.section import Section


class RecorderConfig(Section):
    """What the daemon collects, appended to a data directory.

    On by default with real venues: what nobody records there is lost, and a market takes some kilobytes a day.
    """

    enabled: bool | None = Field(None, description="default: with data.source: venues, not what is simulated")
    dir: Path | None = Field(None, description="default: recorded, in state_dir")

    def directory(self, source: str, state_dir: Path) -> Path | None:
        """Return where to record; None: nowhere."""
        on = source == "venues" if self.enabled is None else self.enabled
        return (self.dir or state_dir / "recorded") if on else None
