"""The control API before anything is turned: who is refused, in which words, and how often."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client import CollectorRegistry

from hedged.config import parse_config
from hedged.control.admission import MOST_PEERS, WINDOW_S, Limit, answers_to
from hedged.control.api import COMMANDS, FAILURES, Api, read_token
from hedged.control.messages import Reloaded
from hedged.control.openapi import ENDPOINTS, document
from hedged.control.requests import LARGEST_BODY
from hedged.domain.errors import ConfigError
from hedged.execution.journal.latch import Latch
from hedged.risk.kill import KillLevel
from hedged.secret import Secret
from hedged.telemetry.http import StatusSource, start_http

TOKEN = "a-token-of-many-characters"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}


class Turned:
    """A switch that notes what is asked of it."""

    def __init__(self) -> None:
        self.latch, self.turns = Latch(), list[tuple[KillLevel, str]]()

    @property
    def text(self) -> str:
        return self.latch.level.label

    def stands(self) -> str:
        return ""

    async def turn(self, level: KillLevel, reason: str, source: str) -> Latch:
        assert source == "http"
        self.turns.append((level, reason))
        self.latch = Latch(len(self.turns), 0, level, reason, "a", source)
        return self.latch

    async def resume(self, source: str) -> Latch:
        return await self.turn(KillLevel.NONE, "resumed", source)


class Reloads:
    """Stands for what reads the configuration again."""

    def __init__(self) -> None:
        self.asked = list[bool]()

    async def reload(self, *, dry_run: bool) -> Reloaded:
        self.asked.append(dry_run)
        return Reloaded(outcome="refused", why="mode cannot change", changes=[], restart=["mode"], config="c")


Ask = Callable[..., Awaitable[tuple[int, Any]]]


def serving(api: Api, script: Callable[[Ask], Awaitable[Any]]) -> Any:
    """Serve the API beside the page, and run a script that asks it."""

    async def main() -> Any:
        source = StatusSource(CollectorRegistry(), list, list)
        runner, port = await start_http(source, "127.0.0.1", 0, api.routes(), [api.middleware()])
        try:
            async with aiohttp.ClientSession() as session:

                async def ask(path: str, method: str = "POST", **request: Any) -> tuple[int, Any]:
                    async with session.request(method, f"http://127.0.0.1:{port}{path}", **request) as answer:
                        text = await answer.text()
                        return answer.status, json.loads(text) if text.startswith("{") else text

                return await script(ask)
        finally:
            await runner.cleanup()

    return asyncio.run(main())


def once(api: Api, path: str, **request: Any) -> tuple[int, Any]:
    found: tuple[int, Any] = serving(api, lambda ask: ask(path, **request))
    return found


def working(**more: Any) -> tuple[Api, Turned]:
    switch = Turned()
    return Api(Secret(TOKEN), switch, **more), switch  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/api/kill", "/api/resume", "/api/reload"])
def test_without_a_configured_token_nobody_turns_the_switch(path: str) -> None:
    """If this fails, whoever reaches the page of a default installation can flatten or resume it."""
    for given in ("", "Bearer ", f"Bearer {TOKEN}"):
        status, said = once(Api(None), path, headers={"Authorization": given}, json={"level": "pause"})
        assert status == 403
        assert "telemetry.token_file" in said["error"]


@pytest.mark.parametrize(
    "given",
    ["", "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer ü"],
)
def test_a_wrong_token_is_refused_and_not_repeated(given: str) -> None:
    """If this fails, a guess gets further, or the answer tells what was guessed or wanted."""
    status, said = once(Api(Secret(TOKEN)), "/api/kill", headers={"Authorization": given}, json={})
    assert status == 401
    assert TOKEN[:-1] not in str(said)


def test_the_right_token_before_the_journal_is_open_is_told_to_wait() -> None:
    """If this fails, a kill during the start seems to have worked."""
    status, said = once(Api(Secret(TOKEN)), "/api/kill", headers=RIGHT, json={})
    assert status == 503
    assert said["error"].startswith("starting")
    api, _ = working()
    assert once(api, "/api/reload", headers=RIGHT)[0] == 503, "it would wait for an app that is not there"


def test_a_guesser_is_slowed_down_and_locks_nobody_out(logs: list[dict[str, Any]]) -> None:
    """If this fails, wrong tokens fill the log, or a page in the operator's browser can keep the kill from working."""
    now = [0.0]
    api, switch = working(now_s=lambda: now[0])

    async def script(ask: Ask) -> None:
        wrong = {"Authorization": "Bearer guess"}
        found = [(await ask("/api/kill", headers=wrong))[0] for _ in range(FAILURES + 2)]
        assert found == [401] * FAILURES + [429] * 2
        assert (await ask("/api/kill", headers=RIGHT, json={"reason": "now"}))[0] == 200
        now[0] += WINDOW_S
        assert (await ask("/api/kill", headers=wrong))[0] == 401

    serving(api, script)
    assert switch.turns == [(KillLevel.REDUCE_ONLY, "now")]
    told = [(one["outcome"], one["peer"]) for one in logs if one["event"] == "control_asked"]
    assert told == [("refused", "127.0.0.1")] * FAILURES + [("done", "127.0.0.1"), ("refused", "127.0.0.1")]


def test_a_hasty_operator_can_always_bind_more() -> None:
    """If this fails, a script gone wild turns the switch without end, or a kill is refused when it is needed."""
    api, switch = working()

    async def script(ask: Ask) -> None:
        body = {"reason": "again"}
        found = [(await ask("/api/kill", headers=RIGHT, json=body))[0] for _ in range(COMMANDS + 2)]
        assert found == [200] * (COMMANDS + 1) + [429]
        assert (await ask("/api/resume", headers=RIGHT, json={"confirm": True}))[0] == 429
        assert (await ask("/api/kill", headers=RIGHT, json=body | {"level": "flatten"}))[0] == 200

    serving(api, script)
    assert switch.turns[-1] == (KillLevel.FLATTEN, "again")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"flatten", "expected a JSON object, {"),
        (b"[" * 4_000, "expected a JSON object"),
        (b'{"level": "hard", "reason": "x"}', "level: Input should be 'reduce-only', 'pause', 'cancel' or"),
        (b'{"level": "pause"}', "reason: Field required"),
        (b'{"reason": "  "}', "reason: say why"),
        (b'{"reason": "x", "levle": "pause"}', "levle: unknown key; did you mean 'level'?"),
        (b'{"reason": 7}', 'Expected {"level": "reduce-only" or "pause" or "cancel" or "flatten"'),
    ],
)
def test_a_body_that_is_none_is_answered_by_what_one_looks_like(body: bytes, says: str) -> None:
    """If this fails, whoever types a kill at night learns that it is wrong, not how it goes."""
    api, switch = working()
    status, said = once(api, "/api/kill", headers=RIGHT, data=body)
    assert status == 400
    assert says in said["error"]
    assert switch.turns == []


def test_too_much_is_not_read() -> None:
    """If this fails, whoever has the token by accident can fill the daemon's memory."""
    api, switch = working()

    async def chunks() -> Any:
        for _ in range(8):
            yield b" " * LARGEST_BODY

    for data in (b"x" * (LARGEST_BODY + 1), chunks()):
        status, said = once(api, "/api/kill", headers=RIGHT, data=data)
        assert (status, said["error"]) == (413, f"the body may have {LARGEST_BODY} bytes; nothing was done")
    assert once(api, "/api/kill", headers=RIGHT, json={"reason": "very " * 700})[0] == 200
    assert len(switch.turns[0][1]) <= 300


def test_a_refused_reload_is_answered_as_one() -> None:
    """If this fails, a script takes a refused configuration for one in force."""
    reloads = Reloads()
    api, _ = working(reloader=lambda: reloads)
    status, said = once(api, "/api/reload", headers=RIGHT, json={"dry_run": True})
    assert (status, said["outcome"], said["restart"]) == (409, "refused", ["mode"])
    assert reloads.asked == [True]


def test_the_configuration_is_for_the_bearer_and_masked() -> None:
    """If this fails, whoever sees the page sees the limits too, or whoever has the token all other secrets."""
    config = parse_config({"cex": {"okx": {"key_file": "/k/okx", "options": {"apiKey": "hidden-key"}}}})
    api, _ = working(config=lambda: config)
    assert once(api, "/api/config", method="GET")[0] == 401
    status, said = once(api, "/api/config", method="GET", headers=RIGHT)
    assert (status, said["hash"], said["config"]["hedge"]["cap"]) == (200, config.hash, 0.4)
    assert "/k/okx" not in str(said)
    assert "hidden-key" not in str(said)


def test_a_name_that_leads_here_from_elsewhere_gets_nothing() -> None:
    """If this fails, a page in the operator's browser reads book and limits by DNS rebinding."""
    api, _ = working(names=["hedged.example.org"])

    async def script(ask: Ask) -> None:
        for path in ("/", "/metrics", "/api/status", "/healthz", "/api/openapi.json"):
            status, said = await ask(path, "GET", headers={"Host": "evil.example:9464"})
            assert status == 421
            assert "telemetry.names" in said["error"]
        assert (await ask("/healthz", "GET", headers={"Host": "hedged.example.org"}))[0] == 200

    serving(api, script)


@pytest.mark.parametrize(
    ("host", "right"),
    [
        ("127.0.0.1:9464", True), ("localhost", True), ("LOCALHOST:1", True), ("[::1]:9464", True), ("10.0.0.7", True),
        ("hedged:9464", True), ("page.localhost:1", True), ("mine.example.org:443", True), ("mine.example.org.", True),
        ("example.org", False), ("127.0.0.1.nip.io", False), ("localhost.evil.net:9464", False), ("", False),
        (":9464", False), ("[::1", True), ("::1:evil.net", False), ("evil.net:127.0.0.1", False),
    ],
)  # fmt: skip
def test_by_which_names_it_is_asked_for(host: str, right: bool) -> None:
    """If this fails, a scraper is turned away, or a foreign name is let in."""
    assert answers_to(host, ["mine.example.org"]) is right


def test_what_there_is_not_is_answered_by_what_there_is() -> None:
    """If this fails, a wrong path or method is a riddle."""
    api, _ = working()

    async def script(ask: Ask) -> None:
        status, said = await ask("/api/kil", headers=RIGHT)
        assert status == 404
        assert "POST /api/kill" in said["error"]
        status, said = await ask("/api/kill", "GET")
        assert (status, said["error"]) == (405, "there is POST /api/kill; see GET /api/openapi.json")

    serving(api, script)


def test_a_handler_that_fails_says_so_and_no_more(logs: list[dict[str, Any]]) -> None:
    """If this fails, a fault of ours shows its inside to whoever asked, or nobody hears of it."""

    def broken() -> Any:
        raise ZeroDivisionError("of an inside")

    api, _ = working(config=broken)
    status, said = once(api, "/api/config", method="GET", headers=RIGHT)
    assert status == 500
    assert "an inside" not in said["error"]
    assert [one["path"] for one in logs if one["event"] == "http_failed"] == ["/api/config"]


def test_the_document_is_openapi_and_tells_all_that_is_served() -> None:
    """If this fails, what is generated from the document does not work, or lacks a command."""
    api, _ = working()
    status, told = once(api, "/api/openapi.json", method="GET")
    assert (status, told) == (200, document())
    OpenAPIV31SpecValidator(told).validate()
    served = {(route.method.lower(), route.path) for route in api.routes()}
    served |= {("get", path) for path in ("/api/status", "/healthz", "/readyz", "/metrics")}
    assert {(one.method, one.path) for one in ENDPOINTS} == served


def test_few_peers_are_remembered() -> None:
    """If this fails, a flood from many addresses fills the memory."""
    limit = Limit(1)
    for number in range(2 * MOST_PEERS):
        assert limit.take(str(number), 0.0)
    assert not limit.take(str(2 * MOST_PEERS - 1), 1.0)
    assert limit.wait_s(str(2 * MOST_PEERS - 1), 1.0) == WINDOW_S
    assert limit.take("0", 1.0), "forgotten"
    assert len(limit._since) == MOST_PEERS


def test_a_token_is_long_and_private(tmp_path: Path) -> None:
    """If this fails, the switch hangs on a word that can be guessed, or read by every user of the machine."""
    file = tmp_path / "token"
    assert read_token(parse_config({}), {}) is None
    told = parse_config({"telemetry": {"token_file": str(file)}})
    file.write_text(TOKEN)
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by others"):
        read_token(told, {})
    file.chmod(0o600)
    token = read_token(told, {})
    assert token is not None
    assert token.reveal() == TOKEN
    for text, says in (("short", "at least 24 characters"), ("x" * 24, "can be guessed")):
        with pytest.raises(ConfigError, match=says):
            read_token(parse_config({"telemetry": {"token_env": "T"}}), {"T": text})
