"""`hedged ...` as typed, in a process of its own or, where only what it says matters, in this one."""

import contextlib
import io
import subprocess
import sys
from collections.abc import Iterator
from unittest import mock

import structlog

from hedged.cli import main

Done = subprocess.CompletedProcess[str]


def in_a_process(*arguments: str) -> Done:
    """Run it as a user does: a second or two of imports each time."""
    command = [sys.executable, "-m", "hedged", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def hedged(*arguments: str) -> Done:
    """Run its entry point here. An error that would end in a traceback is raised, a warning too."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    typed = mock.patch.object(sys, "argv", ["hedged", *arguments])
    with typed, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _own_logs():
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Done(arguments, code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _own_logs() -> Iterator[None]:
    """Commands configure the log of their process; here it is that of all tests."""
    before = structlog.get_config()
    try:
        yield
    finally:
        structlog.configure(**before)
