"""GET of JSON from an API that is none of ours: bounded in time, size and rate; the key goes into a header alone.

Errors name host and path, never a header. Bodies of errors are not repeated: what others write is not for our log.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import aiohttp

from hedged.domain.clock import Clock
from hedged.domain.errors import Rejected, Retryable
from hedged.domain.pace import TokenBucket
from hedged.secret import Secret

OFF_LOOP_BYTES = 64 * 1_024
CACHED = 512
LONGEST_PAUSE_S = 900.0

T = TypeVar("T")


class KeyRefused(Rejected):
    """The source does not take this key; every other request would fail alike."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`cache_s`: an answer is used again for this long, so that a round that broke off is not asked anew."""

    deadline_s: float
    per_minute: float
    cache_s: float
    burst: int = 5
    largest_bytes: int = 8 * 1_024 * 1_024


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What an answer says, as read, and when it was received."""

    data: T
    received_ms: int


class JsonApi:
    """One API. `key`: name of the header and the secret in it."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        limits: Limits,
        clock: Clock,
        key: tuple[str, Secret] | None = None,
    ) -> None:
        self._session, self._url, self._limits, self._key = session, url.rstrip("/"), limits, key
        self._clock = clock
        self._bucket = TokenBucket(limits.per_minute, limits.burst)
        self._not_before_s = 0.0  # the loop's time until which the API wants to be left alone
        self._cache: dict[tuple[str, ...], tuple[float, Answer[Any]]] = {}

    async def get(self, path: str, read: Callable[[Any], T], **params: str) -> Answer[T]:
        """Ask, and read the decoded answer; what `read` refuses is not kept.

        Raises Retryable, Rejected, or KeyRefused when the key is no good.
        """
        loop = asyncio.get_running_loop()
        asked = (path, *(f"{name}={value}" for name, value in sorted(params.items())))
        found = self._cache.get(asked)
        if found is not None and loop.time() < found[0]:
            return found[1]
        if loop.time() < self._not_before_s:
            raise Retryable(f"{path}: to be left alone for another {self._not_before_s - loop.time():.0f} s")
        await self._bucket.acquire()
        status, headers, body = await self._fetch(path, params)
        self._judge(path, status, headers, loop.time())
        answer = Answer(read(await _decode(path, body)), self._clock.now_ms())
        if len(self._cache) >= CACHED:
            self._cache.clear()
        self._cache[asked] = (loop.time() + self._limits.cache_s, answer)
        return answer

    def forget(self) -> None:
        """Ask everything anew: a round is complete."""
        self._cache.clear()

    async def _fetch(self, path: str, params: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        headers = {"Accept": "application/json"}
        if self._key is not None:
            headers[self._key[0]] = self._key[1].reveal()
        try:
            async with (
                asyncio.timeout(self._limits.deadline_s),
                # a redirect would carry the key to wherever it points
                self._session.get(
                    self._url + path, params=params, headers=headers, allow_redirects=False
                ) as answer,
            ):
                body = await self._read(path, answer)
                return answer.status, answer.headers, body
        except TimeoutError:
            raise Retryable(f"{path}: no answer within {self._limits.deadline_s:g} s") from None
        except aiohttp.ClientError as error:
            # its text may hold the request's headers, and so the key
            raise Retryable(f"{path}: {type(error).__name__}") from None

    async def _read(self, path: str, answer: aiohttp.ClientResponse) -> bytes:
        parts, size = [], 0
        async for part in answer.content.iter_any():
            size += len(part)
            if size > self._limits.largest_bytes:
                raise Retryable(f"{path}: the answer is larger than {self._limits.largest_bytes} bytes")
            parts.append(part)
        return b"".join(parts)

    def _judge(self, path: str, status: int, headers: Mapping[str, str], now_s: float) -> None:
        """Raise unless the status is a success."""
        if status in (418, 429):
            pause_s = _retry_after_s(headers.get("Retry-After"))
            self._not_before_s = now_s + pause_s
            raise Retryable(f"{path}: too many requests ({status}), asks for {pause_s:.0f} s of rest")
        if status in (401, 403):
            raise KeyRefused(f"{path}: refused ({status}); is the key right, and does its plan allow this?")
        if status >= 500 or status == 408:
            raise Retryable(f"{path}: status {status}")
        if status != 200:
            raise Rejected(f"{path}: status {status}")


def _retry_after_s(text: str | None) -> float:
    """Read the header's seconds; a minute where it says none, and never longer than is sensible."""
    try:
        return min(LONGEST_PAUSE_S, max(1.0, float(text or "")))
    except ValueError:
        return 60.0


async def _decode(path: str, body: bytes) -> Any:
    try:
        if len(body) < OFF_LOOP_BYTES:
            return json.loads(body)
        return await asyncio.to_thread(json.loads, body)
    except (ValueError, RecursionError):
        raise Retryable(f"{path}: the answer is not JSON") from None
