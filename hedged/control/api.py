"""The kill switch over HTTP: POST /api/kill and /api/resume, with a bearer token, on the page's own address.

Without a configured token every request is refused. A body is a small JSON object; the answer says what is latched.
"""

import hmac
import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from hedged.config import Config
from hedged.control.kill_file import LEVELS
from hedged.control.switch import Switch
from hedged.domain.errors import ConfigError, Fatal, Rejected
from hedged.secret import Secret, read_secret

LEAST_TOKEN = 24
LARGEST_BODY = 4_096
LONGEST_REASON = 300


def read_token(config: Config, environ: Mapping[str, str] = os.environ) -> Secret | None:
    """Read the token; None where none is configured. Raises ConfigError for one that is no good."""
    where = config.telemetry
    if where.token_file is None and where.token_env is None:
        return None
    token = read_secret("telemetry.token", where.token_file, where.token_env, environ)
    if len(token.reveal()) < LEAST_TOKEN:
        raise ConfigError(f"telemetry.token is too short: give it at least {LEAST_TOKEN} characters")
    return token


class Api:
    """Handlers. `switch`: None until the journal is open; `summary`: what a resume will and will not do, in lines."""

    def __init__(self, token: Secret | None) -> None:
        self._token = token
        self.switch: Switch | None = None
        self.summary: Callable[[], Any] | None = None

    def routes(self) -> list[web.RouteDef]:
        """Return what to serve."""
        return [web.post("/api/kill", self._kill), web.post("/api/resume", self._resume)]

    async def _kill(self, request: web.Request) -> web.Response:
        switch, body = self._allowed(request), await _body(request)
        level = LEVELS.get(str(body.get("level", "reduce-only")))
        reason = " ".join(str(body.get("reason", "")).split())[:LONGEST_REASON]
        if level is None or not reason:
            raise _refused(400, f"give level ({', '.join(LEVELS)}) and reason")
        try:
            await switch.turn(level, reason, "http")
        except Fatal as error:
            raise _refused(503, str(error)) from None
        return web.json_response({"latched": switch.text})

    async def _resume(self, request: web.Request) -> web.Response:
        switch, body = self._allowed(request), await _body(request)
        summary = await self.summary() if self.summary else []
        if why := switch.stands():
            raise _refused(409, why, summary=summary)
        if body.get("confirm") is not True:
            raise _refused(
                409, 'nothing was changed: read the summary, then send {"confirm": true}', summary=summary
            )
        try:
            await switch.resume("http")
        except Rejected as error:
            raise _refused(409, str(error), summary=summary) from None
        except Fatal as error:
            raise _refused(503, str(error)) from None
        return web.json_response({"latched": switch.text or "nothing", "summary": summary})

    def _allowed(self, request: web.Request) -> Switch:
        """Return the switch to whoever has the token; compared in constant time."""
        if self._token is None:
            raise _refused(403, "no token is configured: set telemetry.token_file or telemetry.token_env")
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        right = self._token.reveal().encode()
        if scheme.lower() != "bearer" or not hmac.compare_digest(
            given.strip().encode(errors="surrogateescape"), right
        ):
            raise _refused(401, "this token is not the configured one")
        if self.switch is None:
            raise _refused(503, "starting: the journal is not open yet")
        return self.switch


async def _body(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    try:
        found = json.loads(raw) if raw else {}
    except ValueError:
        found = None
    if len(raw) > LARGEST_BODY or not isinstance(found, dict):
        raise _refused(400, "expected a small JSON object")
    return found


def _refused(status: int, why: str, **more: Any) -> web.HTTPException:
    """Make an answer that ends the request."""
    text = json.dumps({"error": why, **more})
    made: dict[int, type[web.HTTPException]] = {
        400: web.HTTPBadRequest, 401: web.HTTPUnauthorized, 403: web.HTTPForbidden, 409: web.HTTPConflict,
        503: web.HTTPServiceUnavailable,
    }  # fmt: skip
    return made[status](text=text, content_type="application/json")
