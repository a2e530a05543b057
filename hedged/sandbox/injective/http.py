"""The node's HTTP side, and the switches of the faults.

Tendermint RPC (`/status`, `/tx`) and LCD as far as an SDK asks; `/faults` lists and sets what is wrong:
`curl -X POST …/faults/silent_rpc`, `curl -X DELETE …/faults/silent_rpc`, `curl -X POST …/faults/stream_drop`; those of
an exchange beside the chain under its name: `curl -X POST …/faults/binance/lost_ack`.
"""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from aiohttp import web

from hedged.domain.clock import iso
from hedged.domain.errors import ConfigError
from hedged.sandbox.injective.chain import Chain
from hedged.sandbox.injective.faults import Faults
from hedged.sandbox.injective.gate import POLL_S
from hedged.sandbox.injective.ledger import INJ, INJ_DECIMALS, USDT, USDT_DECIMALS
from hedged.sandbox.injective.serve_stream import Broadcast

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


ONCE = {
    "stream_drop": "Every stream ends with UNAVAILABLE.",
    "stream_overflow": "Every stream ends with INTERNAL, buffer overflow.",
    "stream_gap": "The next block is missing from the streams.",
}
"""What happens once, in a line each."""


class Switchboard(Protocol):
    """The faults of a venue beside the chain."""

    def listed(self) -> dict[str, dict[str, Any]]:
        """Return every switch, with what it does and whether it is on."""
        ...

    async def switch(self, name: str, on: bool, query: Mapping[str, str]) -> dict[str, Any]:
        """Switch one. Raises ConfigError for what there is not."""
        ...


class HttpSide:
    """Routes. The switches answer also while everything else is silent or failing."""

    def __init__(
        self, chain: Chain, broadcast: Broadcast, boards: Mapping[str, Switchboard] | None = None
    ) -> None:
        """`boards`: of the venues beside the chain; it may fill up later."""
        self._chain, self._broadcast = chain, broadcast
        self._boards = boards if boards is not None else {}
        self._once: dict[str, Callable[[], None]] = {
            "stream_drop": broadcast.drop,
            "stream_overflow": broadcast.overflow,
            "stream_gap": broadcast.skip_blocks,
        }

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(middlewares=[self._gate])
        app.add_routes(
            [
                web.get("/faults", self.list_faults),
                web.post("/faults/{name}", self.switch_on),
                web.delete("/faults/{name}", self.switch_off),
                web.post("/faults/{venue}/{name}", self.switch_venue),
                web.delete("/faults/{venue}/{name}", self.switch_venue),
                web.get("/status", self.status),
                web.get("/tx", self.tx),
                web.get("/tokens.json", self.tokens),
                web.get("/cosmos/base/tendermint/v1beta1/blocks/latest", self.latest_block),
                web.get("/cosmos/auth/v1beta1/accounts/{address}", self.account),
                web.get("/cosmos/bank/v1beta1/balances/{address}", self.balances),
            ]
        )
        return app

    @web.middleware
    async def _gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        faults = self._chain.faults
        if request.path.startswith("/faults"):
            return await handler(request)
        while faults.silent_rpc:  # noqa: ASYNC110  the switch is a plain value
            await asyncio.sleep(POLL_S)
        if faults.unavailable:
            return web.Response(status=503, text="upstream connect error")
        if faults.rate_limited:
            return web.Response(status=429, text="rate limited")
        return await handler(request)

    async def list_faults(self, request: web.Request) -> web.Response:
        """Return every switch, the names of what happens once, what each does, and the same of the exchanges."""
        told = {
            "switches": self._chain.faults.as_dict(),
            "once": sorted(self._once),
            "what": Faults.explained() | ONCE,
            "exchanges": {venue: board.listed() for venue, board in self._boards.items()},
        }
        return web.json_response(told, dumps=lambda body: json.dumps(body, indent=1, ensure_ascii=False))

    async def switch_on(self, request: web.Request) -> web.Response:
        """Switch a fault on (lag_blocks takes ?value=, default 5), or let something happen once."""
        name = request.match_info["name"]
        if name in self._once:
            self._once[name]()
            return web.json_response({"done": name})
        return self._switch(name, int(request.query.get("value", "5" if name == "lag_blocks" else "1")))

    async def switch_off(self, request: web.Request) -> web.Response:
        """Switch a fault off."""
        return self._switch(request.match_info["name"], 0)

    async def switch_venue(self, request: web.Request) -> web.Response:
        """Switch a fault of an exchange on or off, or let something happen there once."""
        venue, name = request.match_info["venue"], request.match_info["name"]
        board = self._boards.get(venue)
        if board is None:
            there = ", ".join(self._boards) or "none: start with --exchange"
            return web.Response(status=404, text=f"no exchange {venue!r} is run here; there are {there}")
        try:
            return web.json_response(await board.switch(name, request.method == "POST", request.query))
        except ConfigError as error:
            return web.Response(status=404, text=str(error))

    def _switch(self, name: str, value: int) -> web.Response:
        try:
            self._chain.faults.switch(name, value)
        except ConfigError as error:
            return web.Response(status=404, text=str(error))
        return web.json_response(self._chain.faults.as_dict())

    async def status(self, request: web.Request) -> web.Response:
        """Tendermint's /status."""
        header = self._chain.stated_header()
        sync = {
            "latest_block_height": str(header.height),
            "latest_block_time": iso(header.time_ms),
            "catching_up": self._chain.faults.lag_blocks > 0,
        }
        return _rpc({"node_info": {"network": self._chain.chain_id}, "sync_info": sync})

    async def tx(self, request: web.Request) -> web.Response:
        """Tendermint's /tx?hash=0x…."""
        name = request.query.get("hash", "").upper().removeprefix("0X")
        result = self._chain.results.get(name)
        if result is None:
            error = {"code": -32603, "message": "Internal error", "data": f"tx ({name}) not found"}
            return web.json_response({"jsonrpc": "2.0", "id": -1, "error": error}, status=500)
        outcome = {"code": result.code, "codespace": result.codespace, "log": result.raw_log}
        raw = base64.b64encode(result.raw).decode()
        return _rpc({"hash": name, "height": str(result.height), "tx_result": outcome, "tx": raw})

    async def tokens(self, request: web.Request) -> web.Response:
        """Return the token list that the SDK reads when it starts."""
        rows = (("Injective", "INJ", INJ, INJ_DECIMALS), ("Tether", "USDT", USDT, USDT_DECIMALS))
        names = ("name", "symbol", "denom", "decimals")
        return web.json_response([dict(zip(names, row, strict=True)) | {"logo": ""} for row in rows])

    async def latest_block(self, request: web.Request) -> web.Response:
        """LCD's latest block."""
        header = self._chain.stated_header()
        fields = {"chain_id": self._chain.chain_id, "height": str(header.height), "time": iso(header.time_ms)}
        return web.json_response({"block": {"header": fields}})

    async def account(self, request: web.Request) -> web.Response:
        """LCD's account."""
        address = request.match_info["address"]
        account = self._chain.accounts.get(address)
        if account is None:
            return web.json_response({"code": 5, "message": f"account {address} not found"}, status=404)
        base = {"address": address, "account_number": str(account.number), "sequence": str(account.sequence)}
        kind = "/injective.types.v1beta1.EthAccount"
        return web.json_response({"account": {"@type": kind, "base_account": base}})

    async def balances(self, request: web.Request) -> web.Response:
        """LCD's bank balances."""
        held = self._chain.exchange.ledger.bank.get(request.match_info["address"], {})
        rows = [{"denom": denom, "amount": str(units)} for denom, units in sorted(held.items())]
        return web.json_response({"balances": rows})


def _rpc(result: dict[str, Any]) -> web.Response:
    return web.json_response({"jsonrpc": "2.0", "id": -1, "result": result})
