"""What `hedged check` prints: a line for each finding, below the heading of its group, and what to do."""

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from hedged.control.checks.finding import Finding, Grade

COLOURS = {Grade.OK: "green", Grade.NOTE: "cyan", Grade.WARN: "yellow", Grade.FAIL: "bold red"}


class Report:
    """Prints findings as they come, and counts those that ask for something."""

    def __init__(self, console: Console) -> None:
        self._console, self._group = console, ""
        self._count = dict.fromkeys(Grade, 0)

    def add(self, group: str, found: Iterable[Finding]) -> None:
        """Print findings of a group."""
        for one in found:
            if group != self._group:
                self._group = group
                self.say(group, "bold")
            self._count[one.grade] += 1
            line = Text.assemble(
                (f"  {one.grade.value:<4}", COLOURS[one.grade]), f"  {one.about}: {one.text}"
            )
            self._console.print(line, soft_wrap=True)
            if one.todo:
                self.say(f"        {one.todo}", "dim" if one.grade is Grade.NOTE else "")

    def say(self, text: str, style: str = "") -> None:
        """Print a line as it is."""
        self._console.print(Text(text, style), soft_wrap=True)

    def close(self) -> bool:
        """Print what it comes to; True where nothing failed."""
        failed, warned = self._count[Grade.FAIL], self._count[Grade.WARN]
        if failed or warned:
            self.say(f"{failed} failed, {warned} to look at", COLOURS[Grade.FAIL if failed else Grade.WARN])
        return not failed
