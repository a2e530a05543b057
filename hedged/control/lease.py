"""The lease: one live daemon per account, and the sign of life by which a hanging one is told from a working one.

Two locks of the operating system, gone with the process that holds them: one on the state directory, one on the live
account, machine-wide. Beside the first lies a small file that the event loop itself writes every second. Across
machines nothing is guaranteed: there the account's tag in every client order id lets the other daemon be seen.
"""

import contextlib
import fcntl
import json
import os
import socket
import stat
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, TextIO

from pydantic import Field, FiniteFloat, NonNegativeInt, TypeAdapter

from hedged.config import Config
from hedged.directories import make_private_directory, private
from hedged.domain.errors import ConfigError, Fatal
from hedged.domain.orders import tag

LOCK_FILE, SIGN_FILE = "lock", "lease.json"
LARGEST_SIGN = 1 << 20
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Sign:
    """The sign of life. `started`: the process' start, clock ticks since boot; `beat_s`: seconds since boot;
    `followed`: the turn of the kill switch that is in force there; `doing`: in words; `url`: of its page.
    """

    pid: Annotated[int, Field(gt=0, lt=2**31)]
    started: Annotated[int, Field(ge=0, lt=2**63)]
    boot: str
    host: str
    account: str
    role: str
    config: str
    wall_ms: int
    beat_s: FiniteFloat
    followed: NonNegativeInt = 0
    doing: str = ""
    left: tuple[str, ...] = ()
    settled: bool = False
    url: str = ""

    @property
    def alive(self) -> bool:
        """Whether that very process still runs here: its number may be another's by now."""
        return self.boot == boot_id() and started(self.pid) == self.started

    @property
    def silent_s(self) -> float:
        """Seconds since the last sign of life; infinite for one of before the last boot."""
        return max(0.0, uptime_s() - self.beat_s) if self.boot == boot_id() else float("inf")


SIGNS: TypeAdapter[Sign] = TypeAdapter(Sign)


def read_sign(directory: Path) -> Sign | None:
    """Return the last sign of life on a state directory; None where there is none that can be read."""
    try:
        with open(directory / SIGN_FILE, "rb") as file:
            return SIGNS.validate_json(file.read(LARGEST_SIGN))
    except (OSError, ValueError):
        return None


class Lease:
    """Held from `take` to `release`."""

    def __init__(self, directory: Path, sign: Sign, locks: tuple[TextIO, ...]) -> None:
        self._directory, self.sign, self._locks = directory, sign, locks

    @classmethod
    def take(cls, config: Config, role: str = "daemon", environ: Mapping[str, str] = os.environ) -> "Lease":
        """Take both locks. Raises Fatal, naming the holder, where somebody else has one."""
        directory = config.state_dir
        make_private_directory(directory)
        before = read_sign(directory)
        sign = Sign(
            os.getpid(), started(os.getpid()) or 0, boot_id(), socket.gethostname(), config.account, role, config.hash,
            0, uptime_s(),
        )  # fmt: skip
        with contextlib.ExitStack() as undo:
            try:
                lock = _locked(directory / LOCK_FILE)
            except OSError as error:
                raise ConfigError(
                    f"{directory / LOCK_FILE} cannot be used: {error.strerror}; see what it is, and remove it"
                ) from None
            if lock is None:
                who = f" (pid {before.pid}, {before.role})" if before and before.alive else ""
                raise Fatal(
                    f"another daemon{who} runs on {directory}: stop it first, or give this one its own state_dir"
                )
            undo.callback(lock.close)
            locks = [lock]
            if config.mode == "live":  # a paper account lies in the journal, which is locked already
                locks.append(_account_lock(config, environ))
            undo.pop_all()
        return cls(directory, sign, tuple(locks))

    def beat(
        self,
        wall_ms: int,
        followed: int = 0,
        doing: str = "",
        left: tuple[str, ...] = (),
        *,
        settled: bool = False,
        config: str = "",
        url: str = "",
    ) -> None:
        """Give a sign of life. `settled`: all that the latch asks for is done. Raises OSError."""
        self.sign = Sign(**{
            **asdict(self.sign), "wall_ms": wall_ms, "beat_s": uptime_s(), "followed": followed, "doing": doing,
            "left": left, "settled": settled, "config": config or self.sign.config,
            "url": url or self.sign.url,
        })  # fmt: skip
        new = self._directory / f"{SIGN_FILE}.new"
        with open(new, "w", encoding="utf-8", opener=private) as file:
            file.write(json.dumps(asdict(self.sign)))
        new.replace(self._directory / SIGN_FILE)

    def release(self) -> None:
        """Give it back. What was last told stays: it says who was here."""
        for lock in self._locks:
            lock.close()


def _account_lock(config: Config, environ: Mapping[str, str]) -> TextIO:
    """Lease the live account on this machine; what is written there is for whoever is refused."""
    directory = lease_directory(config, environ)
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if config.control.lease_dir is None:
            _refuse_foreign(directory)
        path = directory / f"{tag(config.account)}.lease"
        lock = _locked(path)
    except OSError as error:
        raise ConfigError(f"control.lease_dir {directory} cannot be used: {error.strerror}") from None
    if lock is None:
        told = path.read_text(encoding="utf-8", errors="replace").strip() or "of unknown process"
        raise Fatal(
            f"the account {config.account!r} is traded by another daemon on this machine ({told}): "
            "one account, one daemon; stop that one, or give each account a name of its own"
        )
    lock.truncate(0)
    lock.write(f"pid {os.getpid()}, state_dir {config.state_dir.resolve()}\n")
    lock.flush()
    return lock


def _refuse_foreign(directory: Path) -> None:
    """Refuse a place of a known name, below /tmp perhaps, that another user has made first. Raises ConfigError."""
    found = directory.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o022 or not stat.S_ISDIR(found.st_mode):
        raise ConfigError(
            f"{directory} is not this user's alone: whoever made it could keep or break the lease. Remove it, or set "
            "control.lease_dir"
        )


def lease_directory(config: Config, environ: Mapping[str, str] = os.environ) -> Path:
    """Return where live accounts are leased: as configured, else where the system keeps what ends with a boot."""
    if config.control.lease_dir is not None:
        return config.control.lease_dir
    given = environ.get("XDG_RUNTIME_DIR")
    return Path(given) / "hedged" if given else Path(tempfile.gettempdir()) / f"hedged-{os.getuid()}"


def _locked(path: Path) -> TextIO | None:
    """Open and lock a file; None where another process has it."""
    lock = open(path, "a+", opener=private)  # noqa: SIM115 – held as long as the lease
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def started(pid: int) -> int | None:
    """Return when a process started, clock ticks since boot; None where there is none (a zombie is none)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    told = text.rpartition(")")[2].split()  # the name before may hold anything
    return None if told[0] in ("Z", "X") else int(told[19])


def boot_id() -> str:
    """Identify this boot of this machine."""
    try:
        return BOOT_ID.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def uptime_s() -> float:
    """Return seconds since boot, by a clock that all processes of the machine share and nobody sets."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)
