"""The OpenAPI 3.1 document of all that the daemon serves, made from the models of what is asked and answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from hedged import __version__
from hedged.control.messages import (
    InForce,
    KillRequest,
    Latched,
    Refusal,
    Reloaded,
    ReloadRequest,
    ResumeRequest,
)
from hedged.status.document import Status

REF = "#/components/schemas/{model}"
WHY = {
    400: "the body is no such object; the answer shows one",
    401: "the token is missing or wrong",
    403: "no token is configured: telemetry.token_file",
    409: "nothing was done, and the answer says why",
    413: "the body is too large",
    421: "asked for by a name that this daemon does not answer to: telemetry.names",
    429: "too often: see Retry-After",
    503: "still starting, or the journal cannot be written",
}
COMMAND = (400, 401, 403, 409, 413, 421, 429, 503)


class Probe(BaseModel):
    """Whether the daemon is alive or ready, and why not."""

    ok: bool
    reasons: list[str]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of them. `refusals`: statuses besides 200; `plain`: text, not JSON; `token`: asked for."""

    method: Literal["get", "post"]
    path: str
    name: str
    summary: str
    answer: type[BaseModel] | None
    asked: type[BaseModel] | None = None
    refusals: Sequence[int] = (421,)
    token: bool = False


ENDPOINTS = (
    Endpoint("get", "/api/status", "status", "The state of the daemon: book, hedges, forecasts, alerts", Status),
    Endpoint(
        "post", "/api/kill", "kill", "Latch the kill switch; it outlives restarts", Latched, KillRequest,
        COMMAND, token=True,
    ),
    Endpoint(
        "post", "/api/resume", "resume", "Clear the latch; it sends no order", Latched, ResumeRequest,
        COMMAND, token=True,
    ),
    Endpoint(
        "post", "/api/reload", "reload", "Read the configuration file again: taken over whole, or refused whole",
        Reloaded, ReloadRequest, COMMAND, token=True,
    ),
    Endpoint(
        "get", "/api/config", "config", "The configuration in force, without secrets", InForce,
        refusals=(401, 403, 421, 429, 503), token=True,
    ),
    Endpoint("get", "/api/openapi.json", "openapi", "This document", None),
    Endpoint("get", "/healthz", "healthz", "503: restart it", Probe, refusals=(421, 503)),
    Endpoint("get", "/readyz", "readyz", "503: not ready, with the reasons", Probe, refusals=(421, 503)),
    Endpoint("get", "/metrics", "metrics", "Prometheus metrics, as text", None),
)  # fmt: skip
NAMES = tuple(f"{one.method.upper()} {one.path}" for one in ENDPOINTS if one.path.startswith("/api/"))


@cache
def document() -> dict[str, Any]:
    """Return the document."""
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(Refusal, "serialization")]
    models += [(one.asked, "validation") for one in ENDPOINTS if one.asked]
    models += [(one, "serialization") for one in {e.answer for e in ENDPOINTS if e.answer}]
    models.sort(key=lambda pair: pair[0].__name__)
    _, schemas = models_json_schema(models, ref_template=REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "hedged",
            "version": __version__,
            "description": "State and control of a running daemon. Times are Unix milliseconds, money is USD and > 0 "
            "received, null is unknown.",
        },
        "paths": {one.path: {one.method: _operation(one)} for one in ENDPOINTS},
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(one: Endpoint) -> dict[str, Any]:
    answers = {"200": {"description": "done", "content": _content(one.answer, one.path)}}
    for status in one.refusals:
        own = (status, one.answer) in ((409, Reloaded), (503, Probe))  # a "no" that is an answer of its kind
        model = one.answer if own else Refusal
        answers[str(status)] = {"description": WHY[status], "content": _content(model)}
    told: dict[str, Any] = {"operationId": one.name, "summary": one.summary, "responses": answers}
    if one.asked is not None:
        told["requestBody"] = {"required": False, "content": _content(one.asked)}
    if one.token:
        told["security"] = [{"token": []}]
    return told


def _content(model: type[BaseModel] | None, path: str = "") -> dict[str, Any]:
    if model is None and not path.endswith(".json"):
        return {"text/plain": {"schema": {"type": "string"}}}
    schema = {"type": "object"} if model is None else {"$ref": REF.format(model=model.__name__)}
    return {"application/json": {"schema": schema}}
