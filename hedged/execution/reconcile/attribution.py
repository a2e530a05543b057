"""Whose coins they are: the daemon's part of every market, as a function of what was executed there.

The executions of a market are folded in the order in which they happened, not in which they were reported: one that is
told late takes its place, and what came after it is folded again. So the same executions give the same part, in
whatever order they were told and after any restart.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Execution, Fill, Purpose, Side, Strategy
from hedged.execution.reconcile.state import Taken

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Shown:
    """From `ts_ms` on at most `most` signed coins of a market are the daemon's: the venue has shown no more."""

    ts_ms: int
    key: SeriesKey
    most: Decimal


@dataclass(frozen=True, slots=True)
class _Held:
    quantity: Decimal = NOTHING
    owner: Strategy = Strategy.FUNDING_HEDGE
    price: Decimal = NOTHING  # of the last execution


@dataclass(slots=True)
class _Row:
    """An event in its place. `after`: what the daemon holds then, `taken`: what the event took of it."""

    event: Execution | Shown
    own: Strategy | None  # whose order it was, None: not the daemon's
    after: _Held = _Held()
    taken: Decimal = NOTHING

    @property
    def place(self) -> tuple[int, int, str]:
        """At one instant the daemon's own come first: what others do then takes away from what was there."""
        if isinstance(self.event, Shown):
            return self.event.ts_ms, 2, ""
        return self.event.ts_ms, 1 if self.own is None else 0, self.event.execution_id


@dataclass(slots=True)
class _Market:
    before: _Held = _Held()  # all that happened before the rows
    from_ms: int = 0  # the rows are whole from here on
    rows: list[_Row] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)  # of the executions in `rows`
    total: Decimal = NOTHING  # signed coins of all executions ever, anybody's
    ours: bool = False  # whether the daemon ever traded here

    @property
    def now(self) -> _Held:
        return self.rows[-1].after if self.rows else self.before


class Attribution:
    """The daemon's part by market. `executed`: coins reported as executed, by client id."""

    def __init__(self) -> None:
        self.claims: dict[str, tuple[Purpose, Decimal]] = {}  # client id → purpose, reference price
        self.executed: dict[str, Decimal] = {}
        self._markets: dict[SeriesKey, _Market] = {}

    def knows(self, execution: Execution) -> bool:
        """Tell whether it is counted already, as far as is remembered in detail."""
        market = self._markets.get(execution.key)
        return market is not None and execution.execution_id in market.ids

    def too_old(self, execution: Execution) -> bool:
        """Tell whether its place is forgotten: the whole history must be folded anew to count it."""
        market = self._markets.get(execution.key)
        return market is not None and execution.ts_ms < market.from_ms

    def add(self, execution: Execution) -> tuple[Fill | None, list[Taken]]:
        """Put an execution that is not counted yet in its place; return it as a fill if it is the daemon's, and what is
        taken by it or by what came after it.
        """
        client_id = execution.client_id or ""
        claim = self.claims.get(client_id)
        market = self._markets.setdefault(execution.key, _Market())
        market.ids.add(execution.execution_id)
        market.total += execution.signed_quantity
        taken = self._insert(market, _Row(execution, claim[0].strategy if claim else None))
        if claim is None:
            return None, taken
        self.executed[client_id] = self.executed.get(client_id, NOTHING) + execution.quantity
        return Fill(execution, *claim), taken

    def limit(self, shown: Shown) -> list[Taken]:
        """Note that a venue shows no more than so much of the daemon's part; return what that takes away."""
        return self._insert(self._markets.setdefault(shown.key, _Market()), _Row(shown, None))

    @property
    def held(self) -> dict[SeriesKey, Decimal]:
        """Signed coins by market, of every market in which the daemon ever traded."""
        return {key: m.now.quantity for key, m in self._markets.items() if m.ours}

    @property
    def owners(self) -> dict[SeriesKey, Strategy]:
        """For which strategy each of those markets is, or was last, held."""
        return {key: m.now.owner for key, m in self._markets.items() if m.ours}

    @property
    def totals(self) -> Mapping[SeriesKey, Decimal]:
        """Signed coins of all executions by market, whoever traded."""
        return {key: market.total for key, market in self._markets.items()}

    def since(self, key: SeriesKey, ts_ms: int, edge_ms: int) -> tuple[Decimal, Decimal] | None:
        """Return least and most signed coins executed in a market from an instant on, as that instant moves by
        ± `edge_ms`; None where it is forgotten.
        """
        market = self._markets.get(key)
        if market is None:
            return NOTHING, NOTHING
        if ts_ms - edge_ms < market.from_ms:
            return None
        events = [r.event for r in market.rows if isinstance(r.event, Execution)]
        total = sum((e.signed_quantity for e in events if e.ts_ms >= ts_ms + edge_ms), NOTHING)
        sums = [total]
        for event in reversed([e for e in events if -edge_ms <= e.ts_ms - ts_ms < edge_ms]):
            total += event.signed_quantity
            sums.append(total)
        return min(sums), max(sums)

    def latest(self, key: SeriesKey, within_ms: int) -> list[Decimal]:
        """Return signed coins of the last executions in a market, newest first: those within a while of the last."""
        events = [r.event for r in self._markets[key].rows if isinstance(r.event, Execution)]
        return [e.signed_quantity for e in reversed(events) if e.ts_ms >= events[-1].ts_ms - within_ms]

    def forget(self, venue: str, before_ms: int) -> None:
        """Remember in sum what happened at a venue before an instant: memory does not grow with uptime."""
        for key, market in self._markets.items():
            if key.venue == venue and market.rows and market.rows[0].event.ts_ms < before_ms:
                old = [row for row in market.rows if row.event.ts_ms < before_ms]
                market.before, market.from_ms = old[-1].after, before_ms
                del market.rows[: len(old)]
                market.ids.difference_update(
                    r.event.execution_id for r in old if isinstance(r.event, Execution)
                )

    @staticmethod
    def _insert(market: _Market, row: _Row) -> list[Taken]:
        index, place = len(market.rows), row.place
        if market.rows and place < market.rows[-1].place:  # told late
            index = bisect_right(market.rows, place, key=lambda r: r.place)
        market.rows.insert(index, row)
        market.ours |= row.own is not None
        return list(_folded(market, index))


def _folded(market: _Market, index: int) -> Iterator[Taken]:
    """Fold the rows from `index` on; yield every change of what they take."""
    held = market.rows[index - 1].after if index else market.before
    for row in market.rows[index:]:
        after = _after(held, row)
        taken = after.quantity - held.quantity if row.own is None else NOTHING
        if taken != row.taken:
            yield Taken(
                _as_execution(row.event, taken - row.taken, held.price), taken - row.taken, held.owner
            )
        row.after, row.taken, held = after, taken, after


def _after(held: _Held, row: _Row) -> _Held:
    event = row.event
    if isinstance(event, Shown):
        return _Held(_within(held.quantity, event.most), held.owner, held.price)
    if row.own is not None:
        quantity = held.quantity + event.signed_quantity
        opened = held.quantity * quantity <= 0  # or turned over
        return _Held(quantity, row.own if opened else held.owner, event.price)
    # At an exchange the account's position is one, so whoever trades against the hedge (liquidation, deleveraging,
    # delivery, the operator by hand) makes it smaller. On Injective the trader's own trades change N instead.
    if event.key.venue == INJECTIVE:
        return _Held(held.quantity, held.owner, event.price)
    left = held.quantity + event.signed_quantity
    return _Held(_within(held.quantity, left), held.owner, event.price)


def _within(held: Decimal, most: Decimal) -> Decimal:
    """Return what is left of `held` where no more than `most` can be: towards zero, never beyond."""
    if held * most <= 0:
        return NOTHING
    return held if abs(held) <= abs(most) else most


def _as_execution(event: Execution | Shown, taken: Decimal, price: Decimal) -> Execution:
    """Return the execution that took something; what was only seen to be gone went at the last price known here."""
    if isinstance(event, Execution):
        return event
    side = Side.BUY if taken > 0 else Side.SELL
    return Execution(event.ts_ms, event.key, f"shown-{event.ts_ms}", None, side, abs(taken), price, NOTHING)


def folded(
    claims: Mapping[str, tuple[Purpose, Decimal]], executions: Iterable[Execution], limits: Iterable[Shown]
) -> Attribution:
    """Return the attribution of a whole history, in whatever order it is given."""
    made = Attribution()
    made.claims = dict(claims)
    for execution in sorted(executions, key=lambda e: e.ts_ms):
        made.add(execution)
    for limit in limits:
        made.limit(limit)
    return made
