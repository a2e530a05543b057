"""`hedged sandbox` while it runs: says what to point the daemon at, then tells every block until it is stopped."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from decimal import Decimal
from pathlib import Path
from signal import Signals

from hedged.domain.errors import ConfigError
from hedged.sandbox.injective.events import BlockEvents
from hedged.sandbox.injective.narration import narrate
from hedged.sandbox.injective.rehearsal import Rehearsal, prepare
from hedged.sandbox.injective.server import InjectiveSandbox, SandboxConfig

Beside = Callable[[InjectiveSandbox, Path], AbstractAsyncContextManager[tuple[str]]]
"""Runs something beside the chain; gives the part of the configuration that says where to hedge."""


async def run_sandbox(
    config: SandboxConfig,
    positions: Mapping[str, Decimal],
    out: Path,
    say: Callable[[str], None],
    stop_signals: Iterable[Signals],
    beside: Beside | None = None,
    *,
    trading: bool = False,
) -> None:
    """Run until a signal, with whatever stands beside the chain. Raises ConfigError when a port is taken.

    `trading`: the configuration that is written lets the daemon trade here.
    """
    stopped = asyncio.Event()
    for signal in stop_signals:
        asyncio.get_running_loop().add_signal_handler(signal, stopped.set)
    sandbox = InjectiveSandbox(config)
    try:
        await sandbox.__aenter__()
    except (OSError, RuntimeError) as error:
        raise ConfigError(f"a port of the sandbox cannot be used ({error}); 0 takes any free one") from None
    try:
        async with AsyncExitStack() as stack:
            more = await stack.enter_async_context(beside(sandbox, out)) if beside else ()
            rehearsal = prepare(sandbox, positions, out, config.seed, *more, trading=trading)
            for line in introduction(sandbox, rehearsal):
                say(line)
            _tell_blocks(sandbox, say)
            await stopped.wait()
            say("stopped")
    finally:
        await sandbox.__aexit__(None, None, None)


def _tell_blocks(sandbox: InjectiveSandbox, say: Callable[[str], None]) -> None:
    symbols = {market.market_id: symbol for symbol, market in sandbox.markets.items()}
    house = frozenset(sandbox.chain.state.exchange.house)

    def tell(events: BlockEvents) -> None:
        for line in narrate(events, symbols, house):
            say(line)

    sandbox.chain.listen(tell)


def introduction(sandbox: InjectiveSandbox, rehearsal: Rehearsal) -> list[str]:
    """Return what an operator needs to know first."""
    at = sandbox.endpoints
    return [
        f"Local Injective ({sandbox.config.chain_id}): {', '.join(sandbox.markets)}",
        f"  chain gRPC    {at.chain_grpc}",
        f"  indexer gRPC  {at.indexer_grpc}",
        f"  chain stream  {at.chain_stream}",
        f"  Tendermint    {at.tendermint}   (LCD the same)",
        f"  faults        curl {at.control}/faults",
        f"                curl -X POST {at.control}/faults/silent_rpc   (-X DELETE ends it)",
        f"  operator      {rehearsal.operator}   (funded, holds the position; throw-away)",
        f"  grantee       {rehearsal.grantee}   (may trade for it; key in {rehearsal.key_file})",
        "",
        f"The daemon's configuration, also in {rehearsal.config_file}:",
        "",
        rehearsal.config_file.read_text(),
        f"Then, in another terminal: hedged run --config {rehearsal.config_file}",
        "",
    ]
