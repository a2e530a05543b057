"""Who may ask the control API, and how often. Pure: time is passed in, nothing is kept of more peers than a few.

The right token always gets through, however many wrong ones came from the same address: a page in the operator's own
browser could otherwise lock the kill switch. What guessing meets is the token's length; the limit here keeps a guesser
from filling the log.
"""

import hmac
import ipaddress
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field

from hedged.secret import Secret

WINDOW_S = 60.0
MOST_PEERS = 256


@dataclass(slots=True)
class Limit:
    """At most `most` of a kind within a minute, for each key; the key that was quiet the longest is forgotten first."""

    most: int
    _since: OrderedDict[str, tuple[float, int]] = field(default_factory=OrderedDict)

    def take(self, key: str, now_s: float) -> bool:
        """Count one; tell whether it is within the limit."""
        since_s, count = self._since.pop(key, (now_s, 0))
        if now_s - since_s >= WINDOW_S:
            since_s, count = now_s, 0
        self._since[key] = (since_s, count + 1)
        while len(self._since) > MOST_PEERS:
            self._since.popitem(last=False)
        return count < self.most

    def wait_s(self, key: str, now_s: float) -> int:
        """Return the seconds until the next one is, rounded up."""
        since_s, _ = self._since.get(key, (now_s - WINDOW_S, 0))
        return max(1, int(since_s + WINDOW_S - now_s) + 1)


def bears(header: str, token: Secret) -> bool:
    """Tell whether an Authorization header bears the token; compared in constant time."""
    scheme, _, given = header.partition(" ")
    right = token.reveal().encode()
    same = hmac.compare_digest(given.strip().encode(errors="surrogateescape"), right)
    return same and scheme.lower() == "bearer"


def answers_to(host: str, also: Collection[str]) -> bool:
    """Tell whether a Host header is one that this daemon answers to.

    A page elsewhere can make its own name lead here (DNS rebinding), and would then read what this address serves. It
    cannot do so with an address or with a name without a dot, such as a container's. `also`: the names that the
    operator gave it.
    """
    name = _name(host)
    if (
        name == "localhost"
        or name.endswith(".localhost")
        or name in {one.lower().rstrip(".") for one in also}
    ):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return bool(name) and "." not in name and ":" not in name
    return True


def _name(host: str) -> str:
    """Return the name of a Host header, without port and brackets."""
    text = host.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].rstrip(".")
