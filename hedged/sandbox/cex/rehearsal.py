"""Exchanges beside a local Injective: prices that follow the chain's, an account on each, and the daemon's settings."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path

from hedged.domain.clock import FastClock, SystemClock
from hedged.domain.errors import ConfigError
from hedged.sandbox.cex.exchanges import VENUES, Hall, serve_all
from hedged.sandbox.cex.loopback import Loopback
from hedged.sandbox.cex.push import PushServer
from hedged.sandbox.cex.push_quotes import NAMES, pushed
from hedged.sandbox.cex.switchboard import Switchboard
from hedged.sandbox.injective.rehearsal import write_secret
from hedged.sandbox.injective.server import InjectiveSandbox
from hedged.sandbox.more_markets import MORE_COINS

CASH = Decimal(100_000)
PUSH_S = 0.5
"""Between two rounds of news on the streams, in wall time."""


def exchanges_beside(
    venues: tuple[str, ...], port: int, seed: int, on_open: Callable[[Hall], None] = lambda _: None
) -> Callable[[InjectiveSandbox, Path], AbstractAsyncContextManager[tuple[str]]]:
    """Return what runs these exchanges beside a chain and writes their keys. Raises ConfigError for an unknown one.

    `on_open` gets all of them before they are served.
    """
    if strange := sorted(set(venues) - set(VENUES)):
        raise ConfigError(f"--exchange {', '.join(strange)}: there are {', '.join(VENUES)}")

    @asynccontextmanager
    async def run(sandbox: InjectiveSandbox, out: Path) -> AsyncIterator[tuple[str]]:
        speed = sandbox.config.speed
        more = [coin.at_exchange() for coin in MORE_COINS if coin.symbol in sandbox.markets]
        hall = Hall(FastClock(SystemClock(), speed, sandbox.from_ms), CASH, seed, more)

        def index(coin: str) -> Decimal | None:
            market = sandbox.markets.get(coin)
            return market.mark if market else None

        for protocol in hall.protocols.values():
            protocol.exchange.leader = index
            protocol.speed = speed
            protocol.exchange.advance()
        on_open(hall)
        quotes = {venue: pushed(venue, hall.protocols[venue].exchange) for venue in venues if venue in NAMES}
        async with AsyncExitStack() as stack:
            try:
                loopback = await stack.enter_async_context(serve_all(hall, port))
            except OSError as error:
                raise ConfigError(
                    f"--exchange-port {port} cannot be used ({error}); 0 takes any free one"
                ) from None
            push = PushServer(quotes, hall.clock, PUSH_S, loopback.authority)
            await stack.enter_async_context(push)
            for venue in venues:
                sandbox.switchboards[venue] = Switchboard(venue, hall.protocols[venue], push)
            yield (_settings(hall, venues, loopback, push.port, out),)

    return run


def _settings(hall: Hall, venues: tuple[str, ...], loopback: Loopback, push_port: int, out: Path) -> str:
    """Write the certificate and a key file for each venue; return the configuration's part, as YAML."""
    out.mkdir(parents=True, exist_ok=True)
    ca_file = out / "exchanges.pem"
    ca_file.write_text(loopback.authority.pem)
    lines = ["hedge:", "  venues:", *(f"    - {venue}" for venue in venues), "cex:"]
    for venue in venues:
        key, file = hall.key_of(venue), out / f"{venue}.key"
        passphrase = f"\npassphrase: {key.passphrase}" if venue == "okx" else ""
        write_secret(file, f"key: {key.key}\nsecret: {key.secret}{passphrase}")
        more = ', client_id: "t-{base32}"' if venue == "gate" else ""
        lines.append(f"  {venue}: {{ key_file: {file}{more} }} # the key is read with mode: live alone")
    lines += [
        "cex_loopback: # all exchanges are found here, and nowhere else",
        f"  port: {loopback.port}",
        f"  push_port: {push_port}",
        f"  ca_file: {ca_file}",
    ]
    return "\n".join(lines) + "\n"
