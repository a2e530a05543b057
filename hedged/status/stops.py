"""How far every hedge and divergence trade is from its stop."""

from collections.abc import Mapping

from hedged.domain.market import SeriesKey
from hedged.domain.orders import Strategy
from hedged.guard import Guard
from hedged.risk.stop import Episode
from hedged.status.document import Stop
from hedged.strategy.divergence_episode import DivergenceEpisode


def stop_rows(guard: Guard, far: Mapping[SeriesKey, float], now_ms: int) -> tuple[Stop, ...]:
    """Return a row for each hedge and trade that is held or rests after a stop. `far`: moves to liquidation."""
    return (*_hedges(guard, far, now_ms), *_trades(guard, far, now_ms))


def _hedges(guard: Guard, far: Mapping[SeriesKey, float], now_ms: int) -> list[Stop]:
    stops = guard.desk.stops
    held = {key.symbol for key in stops.part(guard.desk.accounts)}
    rows = []
    for symbol in sorted(held | set(stops.episodes)):
        episode = stops.episodes.get(symbol, Episode())
        blind = stops.unvalued.get(symbol)
        if symbol not in held and now_ms >= episode.stopped_until_ms:
            continue
        row = Stop(
            symbol=symbol,
            strategy=Strategy.FUNDING_HEDGE.value,
            state="watched" if symbol in held else "resting",
            loss_usd=episode.loss_usd if symbol in held else None,
            allowance_usd=episode.allowance_usd if symbol in held else None,
            until_ms=episode.stopped_until_ms if now_ms < episode.stopped_until_ms else None,
            why=episode.why or None,
            liquidation=_of(symbol, far),
        )
        if symbol in held and episode.unwinding:
            row = row.model_copy(update={"state": "unwinding"})
        elif symbol in held and blind:
            told = {"state": "blind", "loss_usd": None, "why": blind.why, "until_ms": None}
            row = row.model_copy(update=told)
        rows.append(row)
    return rows


def _trades(guard: Guard, far: Mapping[SeriesKey, float], now_ms: int) -> list[Stop]:
    cushion = float(guard.desk.config.strategies.divergence.stop_cushion)
    held = {key.symbol for key in guard.trades.part(guard.desk.accounts)}
    trades = guard.trades.memory.divergence
    rows = []
    for symbol in sorted(held | {s for s, one in trades.items() if now_ms < one.waits_until_ms}):
        trade = trades.get(symbol, DivergenceEpisode())
        blind, waits = guard.trades.unvalued.get(symbol), now_ms < trade.waits_until_ms
        rows.append(
            Stop(
                symbol=symbol,
                strategy=Strategy.DIVERGENCE.value,
                state=("unwinding" if waits else "blind" if blind else "watched")
                if symbol in held
                else "resting",
                loss_usd=-trade.price_pnl_usd if symbol in held and not blind else None,
                allowance_usd=trade.stop_usd(cushion) if symbol in held else None,
                until_ms=trade.waits_until_ms if waits else None,
                why=blind.why if blind and not waits else None,
                liquidation=_of(symbol, far),
            )
        )
    return rows


def _of(symbol: str, far: Mapping[SeriesKey, float]) -> dict[str, float]:
    return {key.venue: move for key, move in sorted(far.items()) if key.symbol == symbol}
