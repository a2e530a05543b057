"""How every request to the daemon's address is met: by which name, how large it may be, how it is refused."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar, get_args

import structlog
from aiohttp import web
from pydantic import BaseModel, ValidationError

from hedged.config.faults import explain
from hedged.control.admission import answers_to

LARGEST_BODY = 4_096
BODY_WITHIN_S = 10.0
"""From the head of a request to the end of its body."""
PREFIX = "/api/"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Asked = TypeVar("Asked", bound=BaseModel)

log = structlog.get_logger(__name__)


def refused(status: int, why: str, headers: dict[str, str] | None = None, **more: Any) -> web.HTTPException:
    """Make an answer that ends the request: why, and what to do."""
    made: dict[int, type[web.HTTPException]] = {
        400: web.HTTPBadRequest, 401: web.HTTPUnauthorized, 403: web.HTTPForbidden, 404: web.HTTPNotFound,
        408: web.HTTPRequestTimeout, 409: web.HTTPConflict, 421: web.HTTPMisdirectedRequest,
        429: web.HTTPTooManyRequests, 500: web.HTTPInternalServerError, 503: web.HTTPServiceUnavailable,
    }  # fmt: skip
    text = json.dumps({"error": why, **more})
    return made[status](text=text, content_type="application/json", headers=headers)


async def read_body(request: web.Request, model: type[Asked]) -> Asked:
    """Read a small JSON object as a model; no more of it is read than it may have. Raises what ends the request."""
    raw = await _raw(request)
    try:
        found = json.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise refused(400, f"expected a JSON object, {_example(model)}")
    try:
        return model.model_validate(found)
    except ValidationError as error:
        faults = "; ".join(map(str, explain(model, error.errors(), {})))
        raise refused(400, f"{faults}. Expected {_example(model)}") from None


async def _raw(request: web.Request) -> bytes:
    """Read a body. One that says itself that it is too large is not read at all."""
    told = request.content_length
    raw = b""
    if told is None or told <= LARGEST_BODY:
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                while len(raw) <= LARGEST_BODY and (chunk := await request.content.read(LARGEST_BODY + 1)):
                    raw += chunk
        except TimeoutError:
            raise refused(408, f"the body did not come within {BODY_WITHIN_S:.0f} s") from None
    if len(raw) > LARGEST_BODY or (told or 0) > LARGEST_BODY:
        raise _too_large(told)
    return raw


def _too_large(told: int | None) -> web.HTTPException:
    text = json.dumps({"error": f"the body may have {LARGEST_BODY} bytes; nothing was done"})
    return web.HTTPRequestEntityTooLarge(
        LARGEST_BODY, told or LARGEST_BODY + 1, text=text, content_type="application/json",
        headers={"Connection": "close"},
    )  # fmt: skip


def _example(model: type[BaseModel]) -> str:
    """Write what a body looks like."""
    parts = []
    for name, field in model.model_fields.items():
        shown = " or ".join(f'"{choice}"' for choice in get_args(field.annotation) if isinstance(choice, str))
        parts.append(f'"{name}": {shown or ("true" if field.annotation is bool else "...")}')
    return "{" + ", ".join(parts) + "}"


def guarding(names: Collection[str], endpoints: Collection[str]) -> Any:
    """Make the middleware of all that is served. `names`: by which the operator calls this address; `endpoints`: what
    there is below /api, for whoever asks for something else.
    """

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.headers.get("Host")
        if host is not None and not answers_to(host, names):
            raise refused(
                421,
                "this daemon does not answer to the name that you asked for (a page elsewhere could have made it lead "
                "here): ask for the address itself, or add the name to telemetry.names",
            )
        try:
            return await handler(request)
        except web.HTTPException as error:
            if not request.path.startswith(PREFIX) or error.content_type == "application/json":
                raise
            raise _taught(error, request, endpoints) from None
        except Exception as error:
            log.exception("http_failed", path=request.path, kind=type(error).__name__)
            raise refused(500, f"this failed ({type(error).__name__}): see the daemon's log") from None

    return guard


def _taught(error: web.HTTPException, request: web.Request, endpoints: Collection[str]) -> web.HTTPException:
    """Turn a plain 404 or 405 below /api into one that says what there is."""
    here = [one for one in endpoints if one.endswith(f" {request.path}")]
    text = json.dumps({"error": f"there is {', '.join(here or endpoints)}; see GET /api/openapi.json"})
    error.text, error.content_type = text, "application/json"
    return error
