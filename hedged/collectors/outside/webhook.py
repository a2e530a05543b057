"""The webhook over HTTP: `POST /webhook/tradingview`, on a listener of its own.

TradingView posts the alert's text as the body, by whatever content type, sets no header and waits three seconds.
So the secret stands in the body, and the answer is a bare word.
"""

import asyncio
from collections.abc import Callable
from ipaddress import ip_address, ip_network

import structlog
from aiohttp import web

from hedged.collectors.outside.inbox import Inbox, Verdict
from hedged.config.outside import WebhookConfig
from hedged.domain.pace import TokenBucket
from hedged.domain.signals import Signal

log = structlog.get_logger(__name__)

PATH = "/webhook/tradingview"
LARGEST_BYTES = 4_096
READ_S = 2.0
REQUESTS_PER_MINUTE, REQUESTS_AT_ONCE = 300, 60
STATUS = {
    Verdict.ACCEPTED: 200,
    Verdict.MALFORMED: 400,
    Verdict.WRONG_SECRET: 401,
    Verdict.BAD_FORM: 422,
    Verdict.UNKNOWN_SYMBOL: 422,
    Verdict.UNTIMELY: 422,
    Verdict.REPLAYED: 409,
    Verdict.TOO_MANY: 429,
    Verdict.NOT_KEPT: 503,
}


class Webhook:
    """Takes requests in. `on_verdict` is told of every one: the reason, and the signal where one was accepted."""

    def __init__(
        self, config: WebhookConfig, inbox: Inbox, on_verdict: Callable[[str, Signal | None], None]
    ) -> None:
        self._inbox, self._on_verdict = inbox, on_verdict
        self._allowed = [ip_network(network) for network in config.allow_from]
        self._behind_proxy = config.behind_proxy
        self._bucket = TokenBucket(REQUESTS_PER_MINUTE, REQUESTS_AT_ONCE)
        self._words = TokenBucket(10, 5)  # refusals that are logged: a flood must not fill the disk
        self._unsaid = 0

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(client_max_size=LARGEST_BYTES)
        app.add_routes([web.post(PATH, self.post)])
        return app

    async def post(self, request: web.Request) -> web.Response:
        """Take one message in."""
        sender = self._sender(request)
        if not self._may(sender):
            return self._refuse(403, "sender", sender)
        if not self._bucket.take(asyncio.get_running_loop().time()):
            return self._refuse(429, Verdict.TOO_MANY, sender)
        try:
            async with asyncio.timeout(READ_S):
                body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return self._refuse(413, "too_large", sender)
        except (TimeoutError, web.HTTPException, OSError):
            return self._refuse(400, Verdict.MALFORMED, sender)
        verdict, signal = await self._inbox.accept(body)
        if verdict is not Verdict.ACCEPTED:
            return self._refuse(STATUS[verdict], verdict, sender)
        self._on_verdict(verdict, signal)
        return web.Response(text=verdict)

    def _sender(self, request: web.Request) -> str:
        """Return the peer, or whom one's own proxy names: the last address it has appended."""
        if self._behind_proxy:
            return request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        return request.remote or ""

    def _may(self, sender: str) -> bool:
        if not self._allowed:
            return True
        try:
            address = ip_address(sender)
        except ValueError:
            return False
        return any(address in network for network in self._allowed)

    def _refuse(self, status: int, reason: str, sender: str) -> web.Response:
        self._on_verdict(reason, None)
        if self._words.take(asyncio.get_running_loop().time()):
            log.warning("signal_refused", reason=reason, sender=sender[:45], unsaid=self._unsaid)
            self._unsaid = 0
        else:
            self._unsaid += 1
        return web.Response(status=status, text=reason)
