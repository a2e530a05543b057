"""What must hold of a daemon that was killed: at any moment, and once it has had the time to come to itself."""

import asyncio
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from decimal import Decimal

import numpy as np
from crash_lives import Life
from crash_stage import SHARES, UNRESOLVED, Moment, Stage, daemon, live_and_die, tail

from hedged.execution.journal.store import JournalStore

EXACT = Decimal("1e-6")
"""USD; the venues tell payments rounded."""
LATE_MS = 120_000
"""A payment of the last moments before the daemon ended may not have been asked for."""


def check_now(stage: Stage) -> None:
    """What holds whenever the daemon dies. Raises AssertionError."""
    times = Counter(stage.orders())
    twice = [client_id for client_id, n in times.items() if n > 1]
    assert not twice, f"sent twice: {twice}"
    intents = {client_id for (client_id,) in stage.rows("SELECT client_id FROM intents")}
    assert set(times) <= intents, f"sent and not journalled: {set(times) - intents}"
    alive = [stage.parents().get(client_id) for client_id in stage.alive()]
    assert len(alive) == len(set(alive)), f"two live orders of one intent: {alive}"
    if stage.journal.exists():
        with closing(sqlite3.connect(stage.journal)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def check_settled(stage: Stage) -> None:
    """What holds once the daemon has looked at the venues and ended by itself. Raises AssertionError."""
    check_now(stage)
    assert not stage.rows(UNRESOLVED)
    assert not stage.alive(), "an order rests that nobody watches"
    filled, journalled, held = stage.filled(), stage.journalled(), stage.held()
    assert journalled == filled, f"fills: journal {journalled}, venues {filled}"
    assert held == filled, f"positions: {held}, fills {filled}"
    first_ms, last_ms = stage.rows("SELECT min(ts_ms), max(ts_ms) FROM decisions")[0]
    for venue, told in stage.paid().items():
        ours = [
            Decimal(usd) for (usd,) in stage.rows(f"SELECT payment_usd FROM funding WHERE venue = '{venue}'")
        ]
        rest = _without([usd for _, usd in told], ours)
        assert len(rest) == len(told) - len(ours), f"{venue} never paid some of {ours}"
        missed = _without([usd for ms, usd in told if first_ms < ms <= last_ms - LATE_MS], ours)
        assert not missed, f"{venue} paid, the journal does not know: {missed}"


def _without(amounts: list[Decimal], taken: list[Decimal]) -> list[Decimal]:
    """Return amounts less those that are taken, each once."""
    left = sorted(amounts)
    for one in sorted(taken):
        found = next((i for i, amount in enumerate(left) if abs(amount - one) <= EXACT), None)
        if found is not None:
            del left[found]
    return left


async def calm_life(stage: Stage, within_s: float = 60) -> None:
    """Let the daemon come to itself, end it as an operator does, and compare it with the venues."""
    async with asyncio.timeout(within_s), daemon(stage) as life:
        await _decides(stage, life, 3)
        life.send(signal.SIGTERM)
        assert await life.ended() == 0, tail(stage)
    check_settled(stage)


async def latched_life(stage: Stage) -> None:
    """Kill switch by signal, SIGKILL at once; then a life that has every reason to hedge more and must not."""
    for coin in stage.began:
        stage.trade_by_hand(coin, SHARES[0])
    async with asyncio.timeout(60), daemon(stage) as life:
        await _decides(stage, life, 3)
        turns = len(stage.rows("SELECT 1 FROM kill_latch"))
        life.send(signal.SIGUSR1)
        while len(stage.rows("SELECT 1 FROM kill_latch")) == turns:  # noqa: ASYNC110  in another process
            await asyncio.sleep(0.002)
        life.send(signal.SIGKILL)
    before = len(stage.rows("SELECT 1 FROM intents"))
    for coin in stage.began:
        stage.trade_by_hand(coin, SHARES[-1])
    async with asyncio.timeout(60), daemon(stage) as life:
        await _decides(stage, life, 3)
    assert stage.rows("SELECT level FROM kill_latch ORDER BY rowid DESC LIMIT 1") == [(1,)]
    after = stage.rows("SELECT venue, reduce_only FROM intents ORDER BY rowid")[before:]
    assert all(venue != "injective" and reduces for venue, reduces in after), f"opened while latched: {after}"
    store = JournalStore(str(stage.journal), durable=True)
    store.set_kill(0, 0, "resumed")
    store.close()


async def _decides(stage: Stage, life: Life, cycles: int) -> None:
    """Wait until the daemon has decided so often, and knows what became of all that it sent."""
    decided = stage.decided()
    while stage.rows(UNRESOLVED) or stage.decided() < decided + cycles:
        assert life.returncode is None, tail(stage)
        await asyncio.sleep(0.02)


async def crash(stage: Stage, rounds: int, seed: int, patience_s: float = 6) -> None:
    """Kill the daemon so many times at moments that follow from the seed; check after each, and wholly at the end."""
    rng = np.random.default_rng(seed)
    moments = list(Moment)
    for n in range(rounds):
        coins = list(stage.began) if rng.random() < 0.5 else [list(stage.began)[n % 2]]
        for coin in coins:
            stage.trade_by_hand(coin, SHARES[int(rng.integers(len(SHARES)))])
        # each kind of moment comes, in an order by chance
        if n % len(moments) == 0:
            order = rng.permutation(len(moments))
        await live_and_die(stage, moments[order[n % len(moments)]], rng, patience_s)
        check_now(stage)
        if rounds > 20 and n % 20 == 19:
            await latched_life(stage)
            await calm_life(stage)
    await latched_life(stage)
    await calm_life(stage)


def report(stage: Stage) -> list[str]:
    """Say how the lives ended."""
    lines = [f"{'killed when':<36} lives  as meant  outcome open  of those never sent"]
    for moment in Moment:
        mine = [one for one in stage.deaths if one.moment is moment]
        lines.append(
            f"{moment:<36} {len(mine):5} {sum(d.came for d in mine):9} {sum(d.unresolved > 0 for d in mine):13} "
            f"{sum(d.unsent > 0 for d in mine):20}"
        )
    orders = Counter(stage.rows("SELECT venue, kind FROM intents"))
    payments = len(stage.rows("SELECT 1 FROM funding"))
    told = ", ".join(f"{n} at {venue} ({kind})" for (venue, kind), n in sorted(orders.items()))
    return [*lines, f"orders: {told}; funding payments: {payments}"]
