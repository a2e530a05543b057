"""Waiting for the daemon to follow the switch, by the sign of life that it gives every second."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from hedged.config import Config
from hedged.control.lease import Sign, read_sign
from hedged.risk.kill import KillLevel

LOOK_S = 0.1
DOUBT_S = 1.2
"""A daemon whose last sign of life is older may hang: what a takeover needs is made ready meanwhile."""
FOLLOW_S = 15.0
"""A daemon that lives has followed by then, or its journal is stuck."""
WORKS = (KillLevel.CANCEL, KillLevel.FLATTEN)


@dataclass(frozen=True, slots=True)
class Followed:
    """`done`: the daemon has done all that was asked for; `working`: it lives, and is at it or will be."""

    done: bool
    working: bool = False


async def follow(
    config: Config, turn: int | None, level: KillLevel, within_s: float, say: Callable[[str], None],
    doubt: Callable[[], None] = lambda: None,
) -> Followed:  # fmt: skip
    """Wait until the daemon has followed a turn of the switch and done what it asks for; say what is seen meanwhile.

    `doubt`: called where it may hang, or none runs, over and over.
    """
    loop = asyncio.get_running_loop()
    begun_s, told = loop.time(), ""
    while True:
        sign = read_sign(config.state_dir)
        if sign is None or not sign.alive or sign.silent_s > DOUBT_S:
            doubt()
        silent = sign is None or sign.silent_s > config.control.silent_after_s
        if sign is None or (silent and not sign.alive):
            say(_nobody(config, level))
            return Followed(level not in WORKS)
        if silent:
            say(f"the daemon (pid {sign.pid}) has given no sign of life for {sign.silent_s:.1f} s: it hangs")
            return Followed(level not in WORKS)
        waited_s = loop.time() - begun_s
        if turn is not None and sign.followed >= turn:
            if (text := _progress(sign, level)) != told:
                say(text)
                told = text
            if level not in WORKS or sign.settled:
                return Followed(done=True)
            if waited_s > within_s:
                say("it is not done yet; the daemon goes on with it")
                return Followed(done=False, working=True)
        elif sign.doing == "starting":
            say(
                f"the daemon (pid {sign.pid}) is still starting; it sends nothing and finds the latch when it is ready"
            )
            return Followed(level not in WORKS)
        elif waited_s > FOLLOW_S:
            say(
                f"the daemon (pid {sign.pid}) lives and does not follow: its journal may be stuck; see its log"
            )
            return Followed(done=False)
        await asyncio.sleep(LOOK_S)


def _progress(sign: Sign, level: KillLevel) -> str:
    text = f"the daemon (pid {sign.pid}) follows: {level.label}"
    if level not in WORKS:
        return text
    if sign.settled:
        return f"{text}: done. The latch stays until `hedged resume`."
    return f"{text}; left: {'; '.join(sign.left)}" if sign.left else f"{text}; at work"


def _nobody(config: Config, level: KillLevel) -> str:
    text = f"no daemon runs on {config.state_dir}"
    return text if level in WORKS else f"{text}: the latch holds from its next start on"
