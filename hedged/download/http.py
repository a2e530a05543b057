"""Questions over HTTPS to a venue's public API: paced, patient with what passes, clear about what does not.

Plain aiohttp and not ccxt: its unified histories drop fields (Hyperliquid's premium, Binance's mark), page by rules of
their own, and hide the Retry-After that a limit is told with.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import numpy as np

from hedged.domain.errors import Rejected, Retryable
from hedged.domain.pace import TokenBucket

TRIES = 6
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
PATIENCE_S = 300.0
"""A venue that asks for a longer wait than this is left alone for this time."""
DEADLINE_S = 20.0
DETAIL = 160
BUSY = frozenset({418, 429})
PASSING = frozenset({408, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524})


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a venue is waited for. `haste`: how much faster it is asked than its limits, with headroom, allow."""

    tries: int = TRIES
    first_s: float = FIRST_WAIT_S
    longest_s: float = LONGEST_WAIT_S
    patience_s: float = PATIENCE_S
    deadline_s: float = DEADLINE_S
    haste: float = 1.0

    def wait_s(self, attempt: int, rng: np.random.Generator) -> float:
        """Return the wait after the n-th failure (from 0): doubled each time, capped, half of it by chance."""
        return float(min(self.first_s * 2**attempt, self.longest_s) * rng.uniform(0.5, 1.0))


Check = Callable[[Any], Any]
"""Returns what a body holds. Raises Retryable or Rejected for an error that came with HTTP 200."""


class Api:
    """One venue's API. A limit that one request ran into holds all of them back."""

    def __init__(
        self,
        venue: str,
        session: aiohttp.ClientSession,
        rng: np.random.Generator,
        check: Check = lambda body: body,
        patience: Patience | None = None,
    ) -> None:
        self.venue = venue
        self._session, self._rng, self._check = session, rng, check
        self._patience = patience or Patience()
        self._held_until_s = 0.0
        self._lost = ""  # why the venue was given up

    def pace(self, per_s: float, burst: float) -> TokenBucket:
        """Return a pace for requests that share a limit: `burst` at once beyond the one that is due."""
        return TokenBucket(60.0 * per_s * self._patience.haste, 1.0 + burst)

    async def ask(
        self,
        url: str,
        pace: TokenBucket,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        cost: float = 1.0,
    ) -> Any:
        """Return a checked answer: GET with a query, POST with a body.

        Raises Retryable once the venue was waited for in vain, and from then on at once; Rejected for a request that
        it refuses.
        """
        for attempt in range(self._patience.tries):
            self._must_not_be_lost()
            await pace.acquire(cost)
            await self._held_back()
            try:
                return self._check(await self._once(url, query, body))
            except Retryable as error:
                if attempt + 1 == self._patience.tries:
                    self._lose(f"{error}, asked {attempt + 1} times")
            self._must_not_be_lost()
            await asyncio.sleep(self._patience.wait_s(attempt, self._rng))
        raise AssertionError("the last try gives the venue up")

    def _lose(self, why: str) -> None:
        """Give the venue up for this download; the reason that came first stays."""
        self._lost = self._lost or f"{self.venue}: {why}"

    def _must_not_be_lost(self) -> None:
        if self._lost:
            raise Retryable(self._lost)

    async def _held_back(self) -> None:
        """Wait as long as the venue has asked for, whichever request it said so to."""
        loop = asyncio.get_running_loop()
        while (left_s := self._held_until_s - loop.time()) > 0:  # noqa: ASYNC110 (it may grow meanwhile)
            await asyncio.sleep(left_s)

    async def _once(self, url: str, query: Mapping[str, Any] | None, body: Any) -> Any:
        method = "GET" if body is None else "POST"
        timeout = aiohttp.ClientTimeout(total=self._patience.deadline_s)
        try:
            async with self._session.request(method, url, params=query, json=body, timeout=timeout) as answer:
                text = await answer.text(errors="replace")
                self._judge(answer.status, answer.headers.get("Retry-After"), text)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Retryable(f"no answer ({type(error).__name__} {error})".replace(" )", ")")) from None
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise Retryable(f"an answer that is no JSON ({_short(text)})") from None

    def _judge(self, status: int, retry_after: str | None, text: str) -> None:
        """Raise what a status means: Retryable, after which the venue may be lost, or Rejected."""
        if status in BUSY:
            patience = self._patience
            wait_s = float(retry_after) if retry_after and retry_after.isdecimal() else patience.first_s
            if wait_s > patience.patience_s:
                self._lose(f"its request limit is used up; start again in {wait_s:.0f} s")
            else:
                held_until_s = asyncio.get_running_loop().time() + wait_s
                self._held_until_s = max(self._held_until_s, held_until_s)
            raise Retryable(f"its request limit is used up (HTTP {status})")
        if status in (403, 451):
            why = f"it refuses this machine (HTTP {status}, {_short(text)})"
            self._lose(f"{why}: it may not serve this place, or has banned it for a while")
            raise Retryable(why)
        if status in PASSING:
            raise Retryable(f"HTTP {status} ({_short(text)})")
        if status >= 400:
            raise Rejected(f"{self.venue}: HTTP {status} ({_short(text)})")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return f"{line[:DETAIL]}…" if len(line) > DETAIL else line or "empty"
