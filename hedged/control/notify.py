"""What systemd is told: that the daemon has started, that its event loop turns, what it is at, that it stops.

The protocol is sd_notify(3): lines `NAME=value` in a datagram to the socket that the environment names. Where none is
named, as in a container, nothing is sent.
"""

import os
import socket
from collections.abc import Callable, Mapping

from hedged.domain.clock import perf_s

SHARE = 4
"""Signs of life within the time after which systemd gives the daemon up."""
STATUS_S = 5.0
"""Without a watchdog: how often the status may change."""
LONGEST = 200
"""Characters of a status."""
PATIENCE_S = 1.0
"""So long is waited for a manager that is busy, where it matters that it hears."""


class Notifier:
    """Tells the service manager that started this process. Never raises: one that does not hear is no fault of ours."""

    def __init__(
        self,
        environ: Mapping[str, str] = os.environ,
        pid: int | None = None,
        now_s: Callable[[], float] = perf_s,
    ) -> None:
        """`pid`: of this process, for which the watchdog must be meant; `now_s`: seconds of a clock nobody sets."""
        where = environ.get("NOTIFY_SOCKET", "")
        # "@" stands for the zero byte of an abstract name
        self._where = "\0" + where[1:] if where.startswith("@") else where
        us, own = environ.get("WATCHDOG_USEC", ""), str(pid or os.getpid())
        self._watched = us.isdecimal() and environ.get("WATCHDOG_PID", own) == own
        self._every_s = int(us) / 1e6 / SHARE if self._watched else STATUS_S
        self._now_s, self._told_s = now_s, float("-inf")
        self._over = False

    def ready(self) -> None:
        """Say that the start succeeded: the account is leased, the page answers. READY=1."""
        self._send("READY=1", patience_s=PATIENCE_S)

    def alive(self, status: Callable[[], str]) -> None:
        """Say that the loop turns and what the daemon is at, as often as it is wanted. WATCHDOG=1, STATUS=."""
        now_s = self._now_s()
        if not self._where or now_s - self._told_s < self._every_s:
            return
        text = f"STATUS={' '.join(status().split())[:LONGEST]}"
        if self._send(*(["WATCHDOG=1"] if self._watched else []), text):
            self._told_s = now_s

    def stopping(self) -> None:
        """Say, once, that the end has begun. STOPPING=1."""
        if not self._over:
            self._over = True
            self._send("STOPPING=1", patience_s=PATIENCE_S)

    def _send(self, *lines: str, patience_s: float = 0.0) -> bool:
        if not self._where:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.settimeout(patience_s)
                out.sendto("\n".join(lines).encode(), self._where)
        except OSError:
            return False
        return True
