"""The switch over HTTP before it may be turned: who is refused, and in which words."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from hedged.config import parse_config
from hedged.control.api import Api, read_token
from hedged.domain.errors import ConfigError
from hedged.secret import Secret
from hedged.telemetry.http import StatusSource, start_http

TOKEN = "a-token-of-many-characters"


def ask(api: Api, path: str, **request: Any) -> tuple[int, Any]:
    async def main() -> tuple[int, Any]:
        source = StatusSource(CollectorRegistry(), list, list, list, dict)
        runner, port = await start_http(source, "127.0.0.1", 0, api.routes())
        try:
            url = f"http://127.0.0.1:{port}{path}"
            async with aiohttp.ClientSession() as session, session.post(url, **request) as answer:
                return answer.status, await answer.json()
        finally:
            await runner.cleanup()

    return asyncio.run(main())


@pytest.mark.parametrize("path", ["/api/kill", "/api/resume"])
def test_without_a_configured_token_nobody_turns_the_switch(path: str) -> None:
    """If this fails, whoever reaches the page of a default installation can flatten or resume it."""
    for given in ("", "Bearer ", f"Bearer {TOKEN}"):
        status, said = ask(Api(None), path, headers={"Authorization": given}, json={"level": "pause"})
        assert status == 403
        assert "telemetry.token_file" in said["error"]


@pytest.mark.parametrize(
    "given",
    ["", "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer ü"],
)
def test_a_wrong_token_is_refused_and_not_repeated(given: str) -> None:
    """If this fails, a guess gets further, or the answer tells what was guessed or wanted."""
    status, said = ask(Api(Secret(TOKEN)), "/api/kill", headers={"Authorization": given}, json={})
    assert status == 401
    assert TOKEN[:-1] not in str(said)


def test_the_right_token_before_the_journal_is_open_is_told_to_wait() -> None:
    """If this fails, a kill during the start seems to have worked."""
    status, said = ask(Api(Secret(TOKEN)), "/api/kill", headers={"Authorization": f"Bearer {TOKEN}"}, json={})
    assert status == 503
    assert said["error"].startswith("starting")


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
    with pytest.raises(ConfigError, match="at least 24 characters"):
        read_token(parse_config({"telemetry": {"token_env": "T"}}), {"T": "short"})
