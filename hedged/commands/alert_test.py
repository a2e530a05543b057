"""The command `hedged alert-test`: a message to every target, and what came back."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from hedged.commands.shared import ConfigPath, console

if TYPE_CHECKING:
    from hedged.alerts.post import Addresses
    from hedged.alerts.targets import Target
    from hedged.config import AlertsConfig


def alert_test(config: ConfigPath = Path("config.yaml")) -> None:
    """Send a test message to every target of `alerts`, and one beat to its heartbeat; say what came back.

    Exits with 1 where anything was not taken. Nothing else is touched: a running daemon may go on.
    """
    from hedged.alerts.post import read_addresses
    from hedged.config import load_config
    from hedged.domain.errors import ConfigError

    alerts = load_config(config).alerts
    addresses = read_addresses(alerts, os.environ)
    if not addresses.targets and addresses.heartbeat is None:
        raise ConfigError(
            "alerts has neither targets nor a heartbeat: see docs/alerts.md for how to set one up"
        )
    failed = _try_targets(addresses, alerts) + _try_heartbeat(addresses, alerts)
    if failed:
        raise typer.Exit(1)


def _try_targets(addresses: "Addresses", alerts: "AlertsConfig") -> int:
    """Send to all at once; return how many did not take it."""
    failed = 0
    with ThreadPoolExecutor(max(1, len(addresses.targets))) as threads:
        for target, (why, seconds) in zip(
            addresses.targets, threads.map(_send, addresses.targets), strict=True
        ):
            known = alerts.targets[target.name]
            told = f"{known.level} and worse" + ("" if known.kinds is None else f", {', '.join(known.kinds)}")
            _say(target.name, why, f"taken in {seconds:.1f} s; is told {told}. Look whether it has arrived")
            failed += bool(why)
    return failed


def _send(target: "Target") -> tuple[str, float]:
    from hedged.alerts.targets import Letter
    from hedged.domain.alert import Severity

    began_s = time.monotonic()
    body = "A test by `hedged alert-test`. If you can read this, alerts reach you here."
    return target.send(Letter("TEST: hedged", body, Severity.INFO, 0)), time.monotonic() - began_s


def _try_heartbeat(addresses: "Addresses", alerts: "AlertsConfig") -> int:
    from hedged.alerts.heartbeat import beat, session

    where, url = alerts.heartbeat, addresses.heartbeat
    if where is None or url is None:
        return 0

    async def once() -> str:
        async with session() as opened:
            return await beat(opened, where, url)

    why = asyncio.run(once())
    _say("heartbeat", why, f"heard; comes every {where.every_s:g} s while all is well")
    return bool(why)


def _say(name: str, why: str, well: str) -> None:
    style, text = ("bold red", f"not taken: {why}") if why else ("green", well)
    console.print(f"[{style}]{escape(f'{name}: {text}')}[/{style}]", highlight=False, soft_wrap=True)
