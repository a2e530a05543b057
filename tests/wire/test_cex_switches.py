"""The exchanges' switches on the sandbox's HTTP page: each by its name, each in the manual, each with its effect."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import ccxt.async_support as ccxt
import pytest
from exchange_stage import VENUES

from hedged.domain.errors import ConfigError
from hedged.sandbox.cex.engine import Exchange
from hedged.sandbox.cex.exchanges import Hall
from hedged.sandbox.cex.loopback import session_to
from hedged.sandbox.cex.rehearsal import exchanges_beside
from hedged.sandbox.injective.faults import Faults
from hedged.sandbox.injective.server import InjectiveSandbox, SandboxConfig

ROOT = Path(__file__).parents[2]
CLASSES = {"binance": "binanceusdm", "bybit": "bybit", "okx": "okx"}


@dataclass
class Page:
    """The sandbox with its page, and an unpatched ccxt client for each exchange."""

    sandbox: InjectiveSandbox
    hall: Hall
    http: aiohttp.ClientSession
    clients: dict[str, Any]

    def engine(self, venue: str) -> Exchange:
        return self.hall.protocols[venue].exchange

    async def ask(self, method: str, path: str) -> Any:
        async with self.http.request(method, f"{self.sandbox.endpoints.control}/faults{path}") as answer:
            if answer.status != 200:
                raise ConfigError(await answer.text())
            return await answer.json()

    async def buy(self, venue: str, coins: float = 20.0) -> Any:
        client = self.clients[venue]
        amount = coins / (client.markets["INJ/USDT:USDT"]["contractSize"] or 1)
        price = float(self.engine(venue).mark("INJ")) * 1.01
        return await client.create_order(
            "INJ/USDT:USDT", "limit", "buy", amount, price, {"timeInForce": "IOC"}
        )

    def held(self, venue: str) -> Decimal:
        return self.engine(venue).account.position("INJ").quantity


@asynccontextmanager
async def page(out: Path) -> AsyncIterator[Page]:
    halls: list[Hall] = []
    config = SandboxConfig(symbols=("INJ",), block_time_s=None, moving=False)
    async with (
        InjectiveSandbox(config) as sandbox,
        exchanges_beside(VENUES, 0, 7, halls.append)(sandbox, out) as (settings,),
        aiohttp.ClientSession() as http,
    ):
        port = int(next(line for line in settings.splitlines() if line.startswith("  port:")).split()[1])
        async with session_to(port, out / "exchanges.pem") as session:
            clients = {venue: client(venue, halls[0], session) for venue in VENUES}
            for one in clients.values():
                await one.load_markets()
            yield Page(sandbox, halls[0], http, clients)
            for one in clients.values():
                await one.close()


def client(venue: str, hall: Hall, session: aiohttp.ClientSession) -> Any:
    """ccxt as it is, with its own URLs; the session alone knows the way."""
    key = hall.key_of(venue)
    told = {"apiKey": key.key, "secret": key.secret, "session": session, "enableRateLimit": False}
    if venue == "okx":
        told["password"] = key.passphrase
    made = getattr(ccxt, CLASSES[venue])({**told, "timeout": 10_000, "options": {"defaultType": "swap"}})
    made.has = {**made.has, "fetchCurrencies": False}
    return made


def on(out: Path, script: Callable[[Page], Any]) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), page(out) as told:
            await script(told)

    asyncio.run(main())


def test_every_switch_is_listed_explained_and_in_the_manual(tmp_path: Path) -> None:
    """If this fails, an operator cannot find a fault that there is, or reads of one that there is not."""
    manual = (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8")

    async def script(one: Page) -> None:
        told = await one.ask("GET", "")
        assert set(told["what"]) == {*Faults.explained(), *told["once"]}
        assert set(told["exchanges"]) == set(VENUES)
        for switches in told["exchanges"].values():
            assert len(switches) >= 30
            for name, row in switches.items():
                assert f"`{name}`" in manual, name
                assert len(row["what"]) > 10
                assert row.get("once") or row["on"] is False

    on(tmp_path, script)


def test_every_switch_goes_on_and_off_by_its_name(tmp_path: Path) -> None:
    """If this fails, a switch does nothing, or what was switched on stays on."""

    async def script(one: Page) -> None:
        for venue in VENUES:
            listed = (await one.ask("GET", ""))["exchanges"][venue]
            for name, row in listed.items():
                await one.ask("POST", f"/{venue}/{name}")
                if "once" in row:
                    with pytest.raises(ConfigError, match="happens once"):
                        await one.ask("DELETE", f"/{venue}/{name}")
                    continue
                assert (await one.ask("GET", ""))["exchanges"][venue][name]["on"], name
                await one.ask("DELETE", f"/{venue}/{name}")
                assert not (await one.ask("GET", ""))["exchanges"][venue][name]["on"], name
        for wrong, why in {
            "/binance/nonsense": "binance has no fault 'nonsense'; there are",
            "/kraken/lost_ack": "no exchange 'kraken' is run here; there are binance, bybit, okx",
            "/okx/interval?hours=3": "an interval is one of 8, 4, 2, 1",
            "/okx/adl?share=2": "a part of the position",
            "/okx/adl?share=much": "expected a number",
            "/okx/delisting?coin=XYZ": "okx lists BTC, ETH, INJ",
        }.items():
            with pytest.raises(ConfigError, match=why):
                await one.ask("POST", wrong)

    on(tmp_path, script)


def test_a_lost_ack_takes_the_order_and_leaves_the_account_readable(tmp_path: Path) -> None:
    """If this fails, the rehearsal of a lost answer is one of a dead exchange."""

    async def script(one: Page) -> None:
        for venue, client in one.clients.items():
            await one.ask("POST", f"/{venue}/lost_ack?times=1")
            client.timeout = 300
            with pytest.raises(ccxt.RequestTimeout):
                await one.buy(venue)
            client.timeout = 10_000
            assert one.held(venue) == 20
            assert sum(row["contracts"] or 0 for row in await client.fetch_positions()) > 0
            assert not (await one.ask("GET", ""))["exchanges"][venue]["lost_ack"]["on"]

    on(tmp_path, script)


def test_unpatched_clients_meet_partial_fills_liquidations_and_delistings_by_switch(tmp_path: Path) -> None:
    """If this fails, what the page switches is not what a client of the exchange sees."""

    async def script(one: Page) -> None:
        for venue, client in one.clients.items():
            await one.buy(venue)
            assert one.held(venue) == 20
            told = await one.ask("POST", f"/{venue}/adl?coin=INJ&share=0.5")
            assert one.held(venue) == 10, told
            await one.ask("POST", f"/{venue}/thin_book?share=0.0001")
            await one.buy(venue, 400)
            assert 10 < one.held(venue) < 410
            await one.ask("DELETE", f"/{venue}/thin_book")
            await one.ask("POST", f"/{venue}/liquidation?coin=INJ")
            assert one.held(venue) == 0
            await one.ask("POST", f"/{venue}/delisting?coin=INJ&minutes=0")
            with pytest.raises(ccxt.ExchangeError):
                await one.buy(venue)
            assert one.held(venue) == 0
            rows = await client.fetch_funding_rates()
            assert {"BTC/USDT:USDT", "ETH/USDT:USDT"} <= set(rows)
            assert "INJ/USDT:USDT" not in rows

    on(tmp_path, script)
