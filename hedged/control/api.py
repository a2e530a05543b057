"""The control API on the page's own address: kill, resume, reload, the configuration in force; asked with a token.

Without a configured token every command is refused. Bodies are small JSON objects; what there is stands in
`openapi.py`, what is asked and answered in `messages.py`. Each command leaves a line in the log: who asked for what,
and what came of it.
"""

import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiohttp import web
from pydantic import BaseModel

from hedged.config import Config
from hedged.config.difference import shown
from hedged.control.admission import Limit, bears
from hedged.control.kill_file import LEVELS
from hedged.control.messages import (
    InForce,
    KillRequest,
    Latched,
    ReloadRequest,
    ResumeRequest,
)
from hedged.control.openapi import NAMES, document
from hedged.control.reload import Reloader
from hedged.control.requests import guarding, read_body, refused
from hedged.control.switch import Switch
from hedged.domain.errors import ConfigError, Fatal, NoJournal, Rejected
from hedged.secret import Secret, read_secret

LEAST_TOKEN, LEAST_DISTINCT = 24, 8
FAILURES, COMMANDS = 10, 30
"""A minute: of wrong tokens from one address that are logged and explained; of commands."""

log = structlog.get_logger(__name__)


def read_token(config: Config, environ: Mapping[str, str] = os.environ) -> Secret | None:
    """Read the token; None where none is configured. Raises ConfigError for one that is no good."""
    where = config.telemetry
    if where.token_file is None and where.token_env is None:
        return None
    token = read_secret("telemetry.token", where.token_file, where.token_env, environ)
    if len(token.reveal()) < LEAST_TOKEN:
        raise ConfigError(f"telemetry.token is too short: give it at least {LEAST_TOKEN} characters")
    if len(set(token.reveal())) < LEAST_DISTINCT:
        raise ConfigError("telemetry.token can be guessed: make one with `openssl rand -hex 24`")
    return token


@dataclass(slots=True)
class Api:
    """Handlers. `switch`: None until the journal is open; `summary`: what a resume will and will not do, in lines;
    `reloader`: reads the configuration again, None until the daemon runs; `config`: the one in force.
    """

    token: Secret | None
    switch: Switch | None = None
    summary: Callable[[], Awaitable[list[str]]] | None = None
    reloader: Callable[[], Reloader | None] = lambda: None
    config: Callable[[], Config] | None = None
    names: Sequence[str] = ()
    now_s: Callable[[], float] = time.monotonic
    _failures: Limit = field(default_factory=lambda: Limit(FAILURES))
    _commands: Limit = field(default_factory=lambda: Limit(COMMANDS))

    def routes(self) -> list[web.RouteDef]:
        """Return what to serve."""
        return [
            web.post("/api/kill", self._kill),
            web.post("/api/resume", self._resume),
            web.post("/api/reload", self._reload),
            web.get("/api/config", self._config),
            web.get("/api/openapi.json", self._openapi),
        ]

    def middleware(self) -> Any:
        """Return what every request to this address passes first."""
        return guarding(self.names, NAMES)

    async def _kill(self, request: web.Request) -> web.Response:
        switch = self._allowed(request)
        asked = await read_body(request, KillRequest)
        level = LEVELS[asked.level]
        if level <= switch.latch.level:  # what binds more always gets through
            self._within_limit(request)
        try:
            await switch.turn(level, asked.reason, "http")
        except Fatal as error:
            raise self._no(request, 503, str(error)) from None
        self._audit(request, "done", latch=asked.level, reason=asked.reason)
        return _answer(Latched(latched=switch.text))

    async def _resume(self, request: web.Request) -> web.Response:
        switch = self._allowed(request)
        asked = await read_body(request, ResumeRequest)
        self._within_limit(request)
        try:
            summary = await self.summary() if self.summary else []
            if why := switch.stands():
                raise self._no(request, 409, why, summary=summary)
            if not asked.confirm:
                why = 'nothing was changed: read the summary, then send {"confirm": true}'
                raise self._no(request, 409, why, summary=summary)
            await switch.resume("http")
        except Rejected as error:
            raise self._no(request, 409, str(error)) from None
        except (Fatal, NoJournal) as error:
            raise self._no(request, 503, str(error)) from None
        self._audit(request, "done")
        return _answer(Latched(latched=switch.text or "nothing", summary=summary))

    async def _reload(self, request: web.Request) -> web.Response:
        self._allowed(request)
        asked = await read_body(request, ReloadRequest)
        self._within_limit(request)
        reloader = self.reloader()
        if reloader is None:
            why = "the daemon is still starting, with the configuration it has read: wait until it is ready"
            raise self._no(request, 503, why)
        told = await reloader.reload(dry_run=asked.dry_run)
        self._audit(request, told.outcome, changes=told.changes, **({"why": told.why} if told.why else {}))
        return _answer(told, 409 if told.outcome == "refused" else 200)

    async def _config(self, request: web.Request) -> web.Response:
        self._allowed(request)
        self._within_limit(request)
        if self.config is None or self.token is None:
            raise refused(503, "starting")
        config = self.config()
        return _answer(InForce(hash=config.hash, config=shown(config, self.token.reveal())))

    async def _openapi(self, _: web.Request) -> web.Response:
        return web.json_response(document())

    def _allowed(self, request: web.Request) -> Switch:
        """Return the switch to whoever has the token."""
        if self.token is None:
            raise refused(403, "no token is configured: set telemetry.token_file or telemetry.token_env")
        if not bears(request.headers.get("Authorization", ""), self.token):
            raise self._wrong_token(request)
        if self.switch is None:
            raise refused(503, "starting: the journal is not open yet")
        return self.switch

    def _wrong_token(self, request: web.Request) -> web.HTTPException:
        peer, now_s = _peer(request), self.now_s()
        if not self._failures.take(peer, now_s):
            headers = {"Retry-After": str(self._failures.wait_s(peer, now_s))}
            return refused(429, "too many wrong tokens from your address; the right one still works", headers)
        self._audit(request, "refused", why="the token is missing or wrong")
        why = "this token is not the configured one: send it as `Authorization: Bearer TOKEN`"
        return refused(401, why, {"WWW-Authenticate": "Bearer"})

    def _within_limit(self, request: web.Request) -> None:
        now_s = self.now_s()
        if not self._commands.take("", now_s):
            headers = {"Retry-After": str(self._commands.wait_s("", now_s))}
            why = f"more than {COMMANDS} commands a minute: wait; a kill that binds more is always taken"
            raise self._no(request, 429, why, headers=headers)

    def _no(self, request: web.Request, status: int, why: str, **more: Any) -> web.HTTPException:
        self._audit(request, "refused", why=why)
        return refused(status, why, **more)

    def _audit(self, request: web.Request, outcome: str, **more: Any) -> None:
        """Log who asked for what, and what came of it."""
        log.warning(
            "control_asked", command=request.path, outcome=outcome, peer=_peer(request),
            agent=request.headers.get("User-Agent", "")[:80], **more,
        )  # fmt: skip


def _peer(request: web.Request) -> str:
    return request.remote or "unknown"


def _answer(told: BaseModel, status: int = 200) -> web.Response:
    return web.json_response(told.model_dump(mode="json"), status=status)
