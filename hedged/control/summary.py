"""What a resume will and will not do, read from the journal before it is done."""

from collections import defaultdict
from decimal import Decimal

from hedged.config import Config
from hedged.control.switch import latch_text, standing
from hedged.domain.clock import iso
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.execution.gate_facts import STATE as PNL
from hedged.execution.journal.latch import BY_DAEMON
from hedged.execution.journal.store import JournalStore
from hedged.risk.kill import KillLevel
from hedged.risk.pnl import HedgePnl
from hedged.risk.stop import Episode

LEAST_USD = 0.005


def resume_summary(store: JournalStore, config: Config, now_ms: int) -> list[str]:
    """Return, line by line: what is latched, what is held, what resuming does not cure, and what may come after it."""
    latch = store.latch()
    lines = [f"latched: {latch_text(latch) or 'nothing'}"]
    if latch.source == BY_DAEMON and latch.level is not KillLevel.NONE:
        lines.append("the daemon latched this itself: if what it found is still so, it will do it again")
    if why := standing(config):
        lines.append(f"it cannot be cleared now: {why}")
    lines += [*_held(store), *_open(store), *_standing_limits(store, now_ms)]
    return [
        *lines,
        "resuming sends no order: it reopens nothing that was closed and gives back nothing that was cut",
        f"from the next cycle on ({config.cycle.interval_s} s apart) the daemon may open, enlarge, reduce and give "
        "back again, by its own decision and within all limits",
    ]


def _held(store: JournalStore) -> list[str]:
    """Say what the journal attributes to the daemon."""
    net: dict[SeriesKey, Decimal] = defaultdict(Decimal)
    for fill in store.fills():
        net[fill.key] += fill.signed_quantity
    legs = [f"{key} {q.normalize():+f}" for key, q in sorted(net.items()) if q and key.venue != INJECTIVE]
    cuts = [
        f"{key.symbol} {q.normalize():+f}" for key, q in sorted(net.items()) if q and key.venue == INJECTIVE
    ]
    lines = [f"hedges held, as the journal has them: {', '.join(legs) or 'none'}"]
    if cuts:
        lines.append(f"cut of your own positions: {', '.join(cuts)}: they stay cut")
    return lines


def _open(store: JournalStore) -> list[str]:
    """Say which orders may rest or are of unknown outcome."""
    known = [f"{key} ({client_id})" for client_id, key in store.unresolved()]
    return [f"orders that rest or whose outcome is not known: {', '.join(known) or 'none'}"]


def _standing_limits(store: JournalStore, now_ms: int) -> list[str]:
    """Say what binds the daemon whatever the latch says."""
    lines = []
    losses = HedgePnl(**store.load_state(PNL)).losses
    if max(losses.day_usd, losses.drawdown_usd) >= LEAST_USD:
        lines.append(
            f"the hedges have lost {losses.day_usd:,.2f} USD today and {losses.drawdown_usd:,.2f} USD since their best "
            "moment: a loss limit that is reached stays reached"
        )
    for symbol, body in sorted(store.load_state("episodes").items()):
        episode = Episode(**body)
        if episode.unwinding or now_ms < episode.stopped_until_ms:
            lines.append(f"{symbol} was stopped: no new hedge before {iso(episode.stopped_until_ms)}")
    return lines
