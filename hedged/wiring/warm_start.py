"""A warm start: the window that an earlier run kept, told to the sources, and kept again by this one."""

import hashlib
import json
from collections.abc import Callable, Sequence

from hedged.app import Parts
from hedged.buffer.keeper import SNAPSHOT_FILE, Keeper, restored
from hedged.buffer.ring import BarWindow, RingBuffer
from hedged.config import Config
from hedged.domain.bars import Observation
from hedged.domain.clock import DAY_MS, SECOND_MS


def origin_of(config: Config) -> str:
    """Name the world that the data are of: a local one ends with its throw-away authority, real venues never do."""
    local = config.cex_loopback
    try:
        ca = hashlib.sha256(local.ca_file.read_bytes()).hexdigest()[:16] if local else None
    except OSError:
        ca = None  # whoever connects says what is wrong with it
    named = {v: told for v in sorted(config.hedge.venues) if (told := _contract(config, v)) != (None, "USDT")}
    world = {"injective": [config.injective.network, config.injective.chain_id], "local": ca, "cex": named}
    return json.dumps(world, sort_keys=True)


def _contract(config: Config, venue: str) -> tuple[str | None, str]:
    told = config.cex_of(venue)
    return told.ccxt_id, told.quote


async def held_window(config: Config, now_ms: int) -> BarWindow | None:
    """Return the bars before now that an earlier run kept; None where there are none to go on from."""
    bar_ms = config.cycle.bar_s * SECOND_MS
    last_ms = (now_ms - 1) // bar_ms * bar_ms
    from_ms = last_ms - config.cycle.history_days * DAY_MS // bar_ms * bar_ms
    return await restored(config.state_dir / SNAPSHOT_FILE, bar_ms, origin_of(config), from_ms, now_ms)


def add_keeper(parts: Parts, filled: Callable[[], None] = lambda: None) -> Keeper:
    """Make what keeps the buffer's snapshot, told of every bar; whoever took the bars before still does.

    `filled` is called once the buffer holds the window: what was read for it is needed no more.
    """
    keeper = Keeper(parts.config.state_dir / SNAPSHOT_FILE, origin_of(parts.config))
    before = parts.on_bar

    def on_bar(ts_ms: int, seen: Sequence[Observation]) -> None:
        before(ts_ms, seen)
        keeper.take(ts_ms, seen)

    def on_filled(buffer: RingBuffer) -> None:
        filled()
        keeper.keep(buffer)

    parts.on_bar, parts.on_filled = on_bar, on_filled
    return keeper
