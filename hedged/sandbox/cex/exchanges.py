"""All exchanges of the sandbox together, on one loopback port."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

from aiohttp import web

from hedged.domain.clock import Clock
from hedged.sandbox.cex.binance import Binance
from hedged.sandbox.cex.bybit import Bybit
from hedged.sandbox.cex.engine import Exchange
from hedged.sandbox.cex.gate import Gate
from hedged.sandbox.cex.instruments import BINANCE, BYBIT, GATE, OKX, Instrument
from hedged.sandbox.cex.loopback import Loopback, serve
from hedged.sandbox.cex.okx import Okx
from hedged.sandbox.cex.protocol import Credentials, Protocol

CASH = Decimal(100_000)
VENUES = ("binance", "bybit", "okx", "gate")


class Hall:
    """One engine and one protocol for each exchange. `protocols`: by venue."""

    def __init__(
        self, clock: Clock, cash: Decimal = CASH, seed: int = 7, more: Sequence[Instrument] = ()
    ) -> None:
        """`more`: what every exchange lists beside its own three."""
        further = {one.coin: one for one in more}
        self.clock = clock
        self.protocols: dict[str, Protocol] = {
            "binance": Binance(Exchange(BINANCE | further, clock, cash, seed, ids_for_ever=False)),
            "bybit": Bybit(Exchange(BYBIT | further, clock, cash, seed + 10, post_only_refused=False)),
            "okx": Okx(
                Exchange(OKX | further, clock, cash, seed + 20, reducing_lead_h=0, post_only_refused=False)
            ),
            "gate": Gate(Exchange(GATE | further, clock, cash, seed + 30, ids_for_ever=False)),
        }

    def key_of(self, venue: str) -> Credentials:
        """Return the credentials of the account there."""
        return self.protocols[venue].credentials


@asynccontextmanager
async def serve_all(hall: Hall, port: int = 0) -> AsyncIterator[Loopback]:
    """Serve every exchange under its real host names until the block ends."""
    apps: dict[str, web.Application] = {}
    for protocol in hall.protocols.values():
        app = protocol.app()
        apps |= dict.fromkeys(protocol.hosts, app)
    async with serve(apps, port) as loopback:
        yield loopback
