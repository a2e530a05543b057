"""The stops of divergence trades between two cycles: which of them have lost more than is allowed at the prices of now.

The trades are the strategy's: it remembers them, and values them once a cycle (`strategy/divergence.py`). Here they are
valued by the same rule on what the fast loop sees, and nothing is remembered but that a stop has begun.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Protocol

import structlog

from hedged.collectors.believed import BelievedMarks
from hedged.config import Config
from hedged.domain.clock import HOUR_MS, SECOND_MS, iso
from hedged.domain.market import SeriesKey
from hedged.domain.orders import Purpose, Strategy
from hedged.execution.accounts import AccountState
from hedged.execution.stops import Held, Unvalued
from hedged.strategy.divergence_episode import DivergenceEpisode
from hedged.strategy.memory import StrategyMemory
from hedged.strategy.snapshot import DesiredPosition

GOES_ON = "closed: what is left of a trade that was stopped"

log = structlog.get_logger(__name__)


class Remembers(Protocol):
    """Whose memory of the strategies it is: the cycle."""

    memory: StrategyMemory


class DivergenceStops:
    """Asked by whoever holds the right to trade. `unvalued`: the trades that cannot be valued now."""

    def __init__(self, config: Config, owner: Remembers) -> None:
        self._owner = owner
        self.unvalued: dict[str, Unvalued] = {}
        self.reconfigure(config)

    def reconfigure(self, config: Config) -> None:
        """Stop by this configuration from now on."""
        self._rule = config.strategies.divergence
        self._stale_ms = config.cycle.stale_after_s * SECOND_MS
        self._apart_ms = config.risk.valued_within_s * SECOND_MS * config.clock.speed

    @property
    def memory(self) -> StrategyMemory:
        """What the strategies remember of the trades."""
        return self._owner.memory

    @staticmethod
    def part(account: Held) -> dict[SeriesKey, Decimal]:
        """Return what is held for divergence trades, without zeros."""
        return {
            key: q
            for key, q in account.attributed.items()
            if q and account.owners.get(key) is Strategy.DIVERGENCE
        }

    def lost(
        self,
        held: Mapping[SeriesKey, Decimal],
        believed: BelievedMarks,
        news: Iterable[AccountState],
        near: Mapping[str, str],
    ) -> dict[str, str]:
        """Return the symbols whose stop says to close them, or that are being closed already, with the reason.

        `news`: states of the account that the strategy has not booked yet; `near`: the trades of which a leg is too
        near to its liquidation, with the reason. A trade of which a price is in doubt, old or of another instant is not
        valued.
        """
        memory = self._owner.memory
        for state in news:
            memory = memory.book(state.fills, state.payments)
        found = {}
        symbols = sorted({key.symbol for key in held})
        self.unvalued = {symbol: since for symbol, since in self.unvalued.items() if symbol in symbols}
        for symbol in symbols:
            mine = {key: q for key, q in held.items() if key.symbol == symbol}
            if believed.now_ms < memory.divergence.get(symbol, DivergenceEpisode()).waits_until_ms:
                found[symbol] = GOES_ON
                self.unvalued.pop(symbol, None)
                continue
            if symbol in near:
                found[symbol] = near[symbol]
                continue
            why = believed.together(mine, self._stale_ms, self._apart_ms)
            self._tell(symbol, why, believed.now_ms)
            if why:
                continue
            trade = memory.divergence.get(symbol, DivergenceEpisode())
            now = trade.advance(symbol, mine, believed.decimals())
            if why := now.stopped(float(self._rule.stop_cushion)):
                found[symbol] = why
        return found

    def _tell(self, symbol: str, why: str, now_ms: int) -> None:
        """Log once that a trade cannot be valued, and once that it can be again."""
        before = self.unvalued.pop(symbol, None)
        if why:
            self.unvalued[symbol] = Unvalued(why, before.since_ms if before else now_ms)
        if why and not before:
            log.warning("divergence_not_valued", symbol=symbol, why=why)
        if before and not why:
            log.info("divergence_valued_again", symbol=symbol)

    def begun(self, symbols: Iterable[str], now_ms: int) -> list[str]:
        """Return those of the stopped symbols whose stop has not begun before."""
        trades = self._owner.memory.divergence
        return [s for s in symbols if now_ms >= trades.get(s, DivergenceEpisode()).waits_until_ms]

    def begin(self, stopped: Mapping[str, str], now_ms: int) -> StrategyMemory:
        """Remember that nothing is opened for a while; write what is returned to the journal before trading."""
        until_ms = now_ms + self._rule.cooldown_h * HOUR_MS
        memory = self._owner.memory
        trades = dict(memory.divergence)
        for symbol, why in stopped.items():
            trades[symbol] = replace(trades.get(symbol, DivergenceEpisode()), waits_until_ms=until_ms)
            log.warning("divergence_stopped", symbol=symbol, reason=why, nothing_opened_before=iso(until_ms))
        self._owner.memory = replace(memory, divergence=trades)
        return self._owner.memory


def closed(stopped: Mapping[str, str], held: Mapping[SeriesKey, Decimal]) -> list[DesiredPosition]:
    """Return the stopped trades' positions as they are to be: flat. Each leg by itself: one that cannot be traded now
    keeps the other from nothing.
    """
    return [
        DesiredPosition(key, Decimal(0), Purpose.DIVERGENCE_CLOSE, stopped[key.symbol])
        for key in sorted(held)
        if key.symbol in stopped
    ]
