"""The command `hedged sandbox`: a local Injective and exchanges in one terminal, the daemon in another."""

import asyncio
import signal
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from hedged.domain.errors import ConfigError

if TYPE_CHECKING:
    from hedged.sandbox.injective.running import Beside

CHAIN_PORT, INDEXER_PORT, STREAM_PORT, HTTP_PORT = 19_900, 19_910, 19_999, 19_980
EXCHANGE_PORT = 19_443
console = Console(soft_wrap=True, highlight=False)


def sandbox(
    symbol: Annotated[
        list[str] | None, typer.Option(help="Market to run; repeat. Default: INJ, BTC, ETH.")
    ] = None,
    markets: Annotated[
        int | None, typer.Option(min=1, max=25, help="Run so many markets, instead of naming them.")
    ] = None,
    position: Annotated[
        list[str] | None,
        typer.Option(help="The operator's position in USD, signed: INJ=80000; repeat. Default: INJ=80000."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Prices and throw-away keys follow from it.")] = 7,
    block_time: Annotated[float, typer.Option(min=0.02, max=60, help="Seconds between blocks.")] = 0.7,
    speed: Annotated[
        float,
        typer.Option(min=1, max=3_600, help="How fast the chain's clock runs; 60: an hour in a minute."),
    ] = 1.0,
    history: Annotated[
        int, typer.Option(min=0, max=8_760, help="Settled hours that the indexer knows.")
    ] = 2_160,
    data: Annotated[
        Path | None, typer.Option(help="Recorded data directory to play instead of the market simulator.")
    ] = None,
    tides: Annotated[
        int | None,
        typer.Option(min=1, help="Funding that turns every so many hours, instead: what a rehearsal wants."),
    ] = None,
    chain_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Chain gRPC; 0 = any free.")
    ] = CHAIN_PORT,
    indexer_port: Annotated[int, typer.Option(min=0, max=65_535, help="Indexer gRPC.")] = INDEXER_PORT,
    stream_port: Annotated[int, typer.Option(min=0, max=65_535, help="Chain stream.")] = STREAM_PORT,
    http_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Faults, Tendermint RPC, LCD.")
    ] = HTTP_PORT,
    http_host: Annotated[
        str, typer.Option(help="Where faults are switched; anyone who reaches it may.")
    ] = "127.0.0.1",
    exchange: Annotated[
        list[str] | None, typer.Option(help="Exchange to run beside it: binance, bybit, okx, gate; repeat.")
    ] = None,
    exchange_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="All exchanges, over TLS.")
    ] = EXCHANGE_PORT,
    trade: Annotated[
        bool, typer.Option("--trade", help="Write a configuration that trades here; default: on paper.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Where key files and configuration go.")] = Path("out/sandbox"),
) -> None:
    """Run a local Injective, and exchanges, to rehearse on: real protocols on loopback, no money, faults at will."""
    if data is not None and tides is not None:
        raise ConfigError("--data and --tides both say what the market does: leave one out")
    symbols = _symbols(symbol, markets)
    held = dict(map(_position, position or [f"{symbols[0]}=80000"]))
    if missing := sorted(set(held) - set(symbols)):
        raise ConfigError(f"--position names {', '.join(missing)}, which is not among the markets")
    from hedged.sandbox.injective.running import run_sandbox
    from hedged.sandbox.injective.server import Ports, SandboxConfig

    ports = Ports(chain_port, indexer_port, stream_port, http_port)
    config = SandboxConfig(
        symbols, seed, block_time, speed=speed, history_hours=history, data=data, tide_h=tides, ports=ports,
        http_host=http_host,
    )  # fmt: skip
    beside = _beside(exchange or [], exchange_port, seed)
    stops = (signal.SIGINT, signal.SIGTERM)
    asyncio.run(run_sandbox(config, held, out, console.print, stops, beside, trading=trade))


def _beside(exchanges: Sequence[str], port: int, seed: int) -> "Beside | None":
    """Return what runs the exchanges beside the chain, each once; None where there is none."""
    if not exchanges:
        return None
    from hedged.sandbox.cex.rehearsal import exchanges_beside

    return exchanges_beside(tuple(dict.fromkeys(exchanges)), port, seed)


def _symbols(named: list[str] | None, markets: int | None) -> tuple[str, ...]:
    """Return the markets to run. Raises ConfigError when they are said twice."""
    from hedged.sandbox.markets import SYMBOLS
    from hedged.sandbox.more_markets import ALL_SYMBOLS

    if named and markets is not None:
        raise ConfigError("--symbol and --markets both say which markets to run: leave one out")
    return tuple(dict.fromkeys(named or (SYMBOLS if markets is None else ALL_SYMBOLS[:markets])))


def _position(text: str) -> tuple[str, Decimal]:
    symbol, _, usd = text.partition("=")
    try:
        value = Decimal(usd)
    except InvalidOperation:
        value = Decimal(0)
    if not symbol or not value.is_finite() or not value:
        raise ConfigError(f"--position {text!r}: expected SYMBOL=USD with USD not zero, e.g. INJ=80000")
    return symbol, value
