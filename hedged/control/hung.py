"""A process that hangs, ended: that very one, never another that has its number. Nothing else is imported for it."""

import asyncio
import os
import signal
from collections.abc import Callable

from hedged.control.lease import Sign
from hedged.domain.errors import Fatal

KILL_WAIT_S, LOOK_S = 3.0, 0.05


async def end_process(sign: Sign, grace_s: float, say: Callable[[str], None]) -> None:
    """End the very process that gave a sign of life: SIGTERM, then SIGKILL. Raises Fatal where it cannot be ended."""
    try:
        handle = os.pidfd_open(sign.pid)
    except ProcessLookupError:
        return
    try:
        if not sign.alive:  # looked at after the handle was had: the number may be another's
            return
        say(f"ending the process {sign.pid}: SIGTERM")
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        if not await _gone(sign, grace_s):
            say(f"it does not end within {grace_s:g} s: SIGKILL")
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            if not await _gone(sign, KILL_WAIT_S):
                raise Fatal(
                    f"process {sign.pid} cannot be ended: it waits for the kernel; reboot, or close by hand"
                )
    except PermissionError:
        raise Fatal(
            f"process {sign.pid} belongs to another user: run this as the daemon's user, or as root"
        ) from None
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


async def _gone(sign: Sign, within_s: float) -> bool:
    loop = asyncio.get_running_loop()
    until_s = loop.time() + within_s
    while sign.alive:
        if loop.time() >= until_s:
            return False
        await asyncio.sleep(LOOK_S)
    return True
