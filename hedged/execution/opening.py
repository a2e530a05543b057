"""The desk opened on a journal that may have lived before, for the daemon and for whoever closes in its place."""

from collections.abc import Mapping
from decimal import Decimal

from hedged.config import Config
from hedged.domain.clock import Clock
from hedged.domain.market import Market, SeriesKey
from hedged.domain.orders import Hashes
from hedged.domain.ports import MarketData, Trading
from hedged.execution.accounts import Accounts, Reader
from hedged.execution.desk import Desk
from hedged.execution.gate_facts import GateFactsKeeper
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.execution.stops import Stops
from hedged.execution.turn import Turn
from hedged.execution.working.executor import Executor


async def open_desk(
    config: Config,
    clock: Clock,
    trading: Mapping[str, Trading],
    sources: Mapping[str, MarketData],
    journal: Journal,
    markets: Mapping[SeriesKey, Market],
    hashes: Hashes,
    equity_usd: Decimal,
    since_ms: int,
) -> Desk:
    """Read what was done before, look up what was sent and is not known, and go on measuring where it was left.

    `since_ms`: from when on venues are asked, where the journal says nothing. Raises Fatal for a journal that does not
    belong to these venues.
    """
    turn = Turn()
    accounts = Accounts(
        trading, journal, since_ms, rules=config.reconcile, account=config.account, markets=tuple(markets),
        reader=Reader(sources, equity_usd), speed=config.clock.speed, turn=turn,
    )  # fmt: skip
    await accounts.load()
    executor = Executor(trading, journal, accounts, clock, markets, config, turn)
    await executor.load()
    accounts.owned = executor.live_ids
    accounts.unsettled = executor.unresolved_markets
    latch = await journal(JournalStore.latch)
    states = await journal(JournalStore.load_state, "episodes")
    own = {symbol: quantity for _, _, symbol, quantity in await journal(JournalStore.book)}
    gate_facts = GateFactsKeeper.of(config, equity_usd, hashes)
    await gate_facts.load(journal)
    return Desk(
        config, clock, accounts, executor, journal, markets, hashes, gate_facts, Stops(config, states, own),
        latch.level, turn,
    )  # fmt: skip
