"""How the nodes behind one channel are: which is in use, which has failed, and when that is said."""

from collections.abc import Collection
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger(__name__)

FAILURES_TO_ROTATE = 2
"""Consecutive failures after which the next node is asked."""


@dataclass(slots=True)
class Health:
    """Which of the nodes is in use, and which are known to be bad. Logs once on bad and once on recovery.

    `aside`: nodes that no channel may use (`nodes.py`).
    """

    name: str
    addresses: tuple[str, ...]
    current: int = 0
    failures: int = 0
    bad: set[int] = field(default_factory=set)
    blamed: set[int] = field(default_factory=set)
    aside: Collection[int] = ()

    @property
    def in_use(self) -> int:
        """The node to ask now: never one that was put aside."""
        while self.current in self.aside and len(self.aside) < len(self.addresses):
            self.failures, self.current = 0, (self.current + 1) % len(self.addresses)
        return self.current

    def failed(self, index: int, why: str) -> None:
        """Note a failure; the second in a row of the node in use moves on to the next."""
        if index != self.current:
            return  # a late answer of a node that was left already
        self.failures += 1
        if self.failures >= FAILURES_TO_ROTATE:
            self.lost(index, why)

    def lost(self, index: int, why: str) -> None:
        """Move on to the next node."""
        self.failures = 0
        self.current = (index + 1) % len(self.addresses)
        if index not in self.bad:
            self.bad.add(index)
            log.warning(
                "node_lost",
                channel=self.name,
                node=self.addresses[index],
                why=why,
                now=self.addresses[self.in_use],
            )

    def answered(self, index: int) -> None:
        """Note an answer."""
        if index == self.current:
            self.failures = 0
        if index in self.bad and index not in self.blamed:
            self.bad.discard(index)
            log.info("node_back", channel=self.name, node=self.addresses[index])
