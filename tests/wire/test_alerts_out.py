"""Alerts on their way out: real requests through the real library, to services that take, refuse or hang."""

import asyncio
import contextlib
import email
import email.policy
import json
import logging
import os
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from commands import hedged
from listening import Listener, listening

from hedged.alerts.couriers import MOST_WAITING, Courier, deliver_within
from hedged.alerts.heartbeat import Heartbeat
from hedged.alerts.post import read_addresses
from hedged.alerts.targets import Letter, Target, read_heartbeat, read_targets
from hedged.alerts.teller import Teller
from hedged.config import AlertsConfig, AlertTargetConfig, parse_config
from hedged.domain.alert import Alert, Kind, Severity
from hedged.domain.clock import SystemClock
from hedged.domain.errors import ConfigError
from hedged.secret import Secret
from hedged.telemetry.metrics import Metrics

TOKEN = "s3cr3tpl4nt3d"
TEXT = "Hedge of ETH opened: sold 4.2 ETH (12,000 USD) on binance & <none> of *your* own_position"


@pytest.fixture
def service() -> Iterator[Listener]:
    """A service that takes everything until it is told otherwise."""
    with listening() as found:
        yield found


def target(url: str, name: str = "phone", **config: Any) -> Target:
    return Target(name, AlertTargetConfig(url_env="X", **config), Secret(url))


def letter(body: str = TEXT, severity: Severity = Severity.WARNING) -> Letter:
    return Letter("WARNING: hedged main (live)", body, severity, SystemClock().now_ms())


def telegram(body: str) -> tuple[str, str]:
    told = json.loads(body)
    return told["text"], told["chat_id"]


def test_telegram_discord_slack_and_a_webhook_get_the_message_as_it_was_written(
    service: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a common service gets a message that a person cannot read, or none."""
    from apprise.plugins.discord import NotifyDiscord
    from apprise.plugins.slack import NotifySlack
    from apprise.plugins.telegram import NotifyTelegram

    monkeypatch.setattr(NotifyTelegram, "notify_url", service.url("bot", "http"))
    monkeypatch.setattr(NotifyDiscord, "notify_url", service.url("discord", "http"))
    monkeypatch.setattr(NotifySlack, "webhook_url", service.url("slack", "http"))
    urls = {
        "bot": "tgram://123456789:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr/4711",
        "discord": f"discord://1111111111/{TOKEN}",
        "slack": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/",
        "json": service.url("json/" + TOKEN),
    }
    for url in urls.values():
        assert target(url).send(letter()) == ""
    assert [path.split("/")[1][:4] for path, _ in service.taken] == ["bot1", "disc", "slac", "json"]
    for _, body in service.taken:
        text = json.dumps(json.loads(body), ensure_ascii=False)
        assert "12,000 USD" in text
        assert "hedged main" in text
        assert "own_position" in text.replace("\\\\_", "_")
    assert service.messages()[-1]["message"] == TEXT


def test_mail_is_sent() -> None:
    """If this fails, whoever reads alerts as mail gets none."""
    got: list[Any] = []

    class Box:
        async def handle_DATA(self, _: object, __: object, envelope: Any) -> str:  # noqa: N802 - its name is the interface
            got.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
            return "250 OK"

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(Box(), hostname="127.0.0.1", port=port)
    server.start()
    try:
        url = f"mailto://127.0.0.1:{port}?from=hedged@example.org&to=me@example.org"
        assert target(url).send(letter()) == ""
    finally:
        server.stop()
    (mail,) = got
    assert mail["subject"] == "WARNING: hedged main (live)"
    assert mail["to"] == "me@example.org"
    assert TEXT in mail.get_content()


@pytest.mark.parametrize(
    "url", [f"nosuch://{TOKEN}", f"tgram://{TOKEN}", "json://127.0.0.1/?verify=no", f"{TOKEN}"]
)
def test_an_address_that_is_no_good_is_refused_and_not_shown(
    url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """If this fails, alerts go nowhere, or past TLS, or a token is printed where everybody reads."""
    config = AlertsConfig(targets={"phone": AlertTargetConfig(url_env="URL")})
    with pytest.raises(ConfigError, match=r"alerts\.targets\.phone\.url") as refused:
        read_targets(config, {"URL": url})
    assert TOKEN not in str(refused.value) + "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "url",
    ["mailtos://me:pass%20word@mail.example.org?from=hedged@example.org&to=me@example.org", "jsons://example.org/a/b",
     "ntfys://ntfy.sh/topic", "mailto://me%40example.org:pass@smtp.example.org?to=you@example.org"],
)  # fmt: skip
def test_the_addresses_of_the_manual_are_understood(url: str) -> None:
    """If this fails, docs/alerts.md tells an operator to write what is refused."""
    assert target(url).name == "phone"


def test_who_is_told_is_chosen_by_level_and_kind() -> None:
    """If this fails, a phone rings for news, or stays silent for what it was set up for."""
    url, news = "json://127.0.0.1/", Alert(Kind.OPENED, Severity.INFO, "ETH", "", 0)
    stop = Alert(Kind.STOP, Severity.CRITICAL, "ETH", "", 0)
    assert [target(url).wants(one) for one in (news, stop)] == [False, True]
    assert [target(url, level="info", kinds=("opened",)).wants(one) for one in (news, stop)] == [True, False]


@pytest.mark.parametrize(("status", "says"), [(500, "error=500"), (401, "error=401")])
def test_a_refusal_says_why_and_nothing_of_the_address(
    service: Listener, status: int, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    """If this fails, an operator cannot find out why nothing arrives, or reads a token in the log."""
    caplog.set_level(logging.DEBUG)
    service.status = status
    why = target(service.url(TOKEN)).send(letter())
    assert says in why
    assert TOKEN not in why + caplog.text


def test_a_redirect_is_not_followed(service: Listener) -> None:
    """If this fails, a message goes to whoever a service points to."""
    service.status = 307
    assert target(service.url("json")).send(letter())
    assert len(service.taken) == 1


async def until(true: Any) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - what changes is in threads
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def working(*couriers: Courier) -> Any:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(courier.run()) for courier in couriers]
        yield
        for task in tasks:
            task.cancel()


def courier(url: str, counts: "Counter[str]", name: str = "phone", deadline_s: float = 30.0) -> Courier:
    return Courier(
        target(url, name), SystemClock(), deadline_s, lambda what: counts.update([f"{name} {what}"]), 0.05
    )


def test_one_service_that_is_down_and_one_that_hangs_hold_up_nobody(
    service: Listener, logs: list[dict[str, Any]]
) -> None:
    """If this fails, a dead service delays the alerts to all others, or the event loop itself."""

    async def main() -> None:
        counts: Counter[str] = Counter()
        with listening() as hanging:
            hanging.gate.clear()
            good = courier(service.url("a"), counts, "good")
            slow = courier(hanging.url("b"), counts, "slow", deadline_s=0.1)
            down = courier("json://127.0.0.1:1/c", counts, "down")
            async with working(good, slow, down):
                for number in range(3):
                    for one in (good, slow, down):
                        one.put(letter(f"number {number}"))
                await until(
                    lambda: counts["good delivered"] == 3 and counts["down failed"] > 2 and slow.failing
                )
                assert counts["slow delivered"] == 0
                hanging.gate.set()
                await until(lambda: counts["slow delivered"] == 3)
            assert [m["message"] for m in hanging.messages()] == ["number 0", "number 1", "number 2"], (
                "each once"
            )
            assert [m["message"] for m in service.messages()] == ["number 0", "number 1", "number 2"]
            told = Counter((one["target"], one["event"]) for one in logs)
            assert told == {
                ("slow", "alerts_not_delivered"): 1, ("slow", "alerts_delivered_again"): 1,
                ("down", "alerts_not_delivered"): 1,
            }  # fmt: skip
            assert len(down.waiting) == 3

    asyncio.run(main())


def test_what_failed_is_delivered_once_the_service_takes_it(service: Listener) -> None:
    """If this fails, an outage of a service swallows the alert that mattered."""

    async def main() -> None:
        counts: Counter[str] = Counter()
        one, service.status = courier(service.url("a"), counts), 500
        async with working(one):
            one.put(letter("kept"))
            await until(lambda: counts["phone failed"] > 1)
            service.status = 200
            await until(lambda: counts["phone delivered"] == 1)
        assert not one.waiting
        assert not one.failing

    asyncio.run(main())


def test_the_queue_is_bounded_and_drops_the_least_severe_first() -> None:
    """If this fails, memory grows while a service is down, or what is critical is dropped for news."""
    counts: Counter[str] = Counter()
    one = courier("json://127.0.0.1:1/", counts)
    one.put(letter("first"))
    one.put(letter("worst", Severity.CRITICAL))
    for number in range(2 * MOST_WAITING):
        one.put(letter(str(number), Severity.INFO))
    assert len(one.waiting) == MOST_WAITING
    assert [waits.body for waits in one.waiting[:2]] == ["first", "worst"]
    assert counts["phone dropped"] == MOST_WAITING + 2


def test_a_changed_address_is_taken_over_and_what_is_under_way_goes_on(
    service: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a reload loses what waits, sends it twice, or goes on to the address of before."""

    class Nothing:
        facts = report = staticmethod(lambda: None)
        well = staticmethod(lambda: False)

    monkeypatch.setenv("A", service.url("old"))
    monkeypatch.setenv("B", service.url("new"))
    tree: dict[str, Any] = {"state_dir": str(tmp_path), "alerts": {"targets": {"phone": {"url_env": "A"}}}}
    tree["cycle"] = {"guard_interval_s": 1}
    configs = [parse_config(tree)]
    clock = SystemClock()

    async def main() -> None:
        addresses = read_addresses(configs[0].alerts, os.environ)
        teller = Teller(lambda: configs[-1], addresses, clock, Metrics(), Nothing())
        service.gate.clear()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(teller.run())
            teller.post.couriers[0].put(letter("first"))
            await until(lambda: len(service.taken) == 1)
            configs.append(parse_config(tree | {"alerts": {"targets": {"phone": {"url_env": "B"}}}}))
            teller.post.couriers[0].put(letter("second"))
            await until(lambda: teller.post.couriers[0].target is not addresses.targets[0])
            service.gate.set()
            await until(lambda: not teller.post.couriers[0].waiting)
            task.cancel()

    asyncio.run(main())
    assert [(path, json.loads(body)["message"]) for path, body in service.taken] == [
        ("/old", "first"), ("/new", "second"),
    ]  # fmt: skip


def test_the_end_waits_for_no_service_longer_than_it_may(service: Listener) -> None:
    """If this fails, a service that hangs keeps the daemon from ending."""

    async def main() -> None:
        counts: Counter[str] = Counter()
        with listening() as hanging:
            hanging.gate.clear()
            couriers = [courier(service.url("a"), counts, "good"), courier(hanging.url("b"), counts, "slow")]
            for one in couriers:
                one.put(letter("goodbye"))
            await deliver_within(couriers, 1.5)
            assert counts == {"good delivered": 1}
            assert [len(one.waiting) for one in couriers] == [0, 1]

    asyncio.run(main())


def test_the_heart_beats_while_all_is_well_and_failures_are_told_once(
    service: Listener, monkeypatch: pytest.MonkeyPatch, logs: list[dict[str, Any]]
) -> None:
    """If this fails, nobody is alarmed by a daemon that has died, or the log fills while the switch is away."""
    monkeypatch.setenv("HEART", service.url(TOKEN, "http"))
    config = parse_config({"alerts": {"heartbeat": {"url_env": "HEART", "every_s": 5}}}).alerts
    url = read_heartbeat(config, os.environ)
    assert config.heartbeat is not None
    assert url is not None
    well, heard = False, 0

    def beaten() -> None:
        nonlocal heard
        heard += 1

    async def main() -> None:
        nonlocal well
        assert config.heartbeat is not None
        quick = config.heartbeat.model_copy(update={"every_s": 0.02})
        heart = Heartbeat(quick, url, lambda: well, beaten)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(heart.run())
            await asyncio.sleep(0.2)
            assert not service.taken
            well = True
            await until(lambda: heard >= 2)
            service.status = 500
            await until(lambda: heart.failing == "HTTP 500")
            count = len(service.taken)
            await until(lambda: len(service.taken) > count + 2)
            service.status = 200
            await until(lambda: not heart.failing)
            task.cancel()

    asyncio.run(main())
    assert [one["event"] for one in logs] == ["heartbeat_not_heard", "heartbeat_heard_again"]
    assert TOKEN not in str(logs)
    assert service.taken[0] == (f"/{TOKEN}", "")


def test_the_command_says_what_came_back_from_each(
    service: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, an operator learns that alerts do not arrive from their absence."""
    secret = tmp_path / "good.url"
    secret.write_text(service.url(TOKEN))
    secret.chmod(0o600)
    monkeypatch.setenv("BAD", f"json://127.0.0.1:1/{TOKEN}")
    monkeypatch.setenv("HEART", service.url(f"beat/{TOKEN}", "http"))
    config = tmp_path / "config.yaml"
    config.write_text(
        f"alerts: {{targets: {{good: {{url_file: {secret}}}, bad: {{url_env: BAD, level: critical}}}},\n"
        "  heartbeat: {url_env: HEART}}\n"
    )
    done = hedged("alert-test", "--config", str(config))
    assert done.returncode == 1
    assert "good: taken in" in done.stdout
    assert "bad: not taken: A Connection error occurred sending JSON notification to …." in done.stdout, (
        "no host"
    )
    assert "heartbeat: heard" in done.stdout
    assert TOKEN not in done.stdout + done.stderr
    assert [m["title"] for m in service.messages()] == ["TEST: hedged"]
    config.write_text("mode: paper\n")
    assert "see docs/alerts.md" in hedged("alert-test", "--config", str(config)).stderr
