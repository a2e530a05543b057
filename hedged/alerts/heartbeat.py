"""The sign of life for others: a request to a dead man's switch while all is well, so that silence alarms somebody."""

import asyncio
from collections.abc import Callable

import aiohttp
import structlog

from hedged.config import HeartbeatConfig
from hedged.secret import Secret

DEADLINE_S = 10.0

log = structlog.get_logger(__name__)


class Heartbeat:
    """`well`: whether the daemon is ready and its cycles complete; `beaten`: told each time that it was heard."""

    def __init__(
        self, config: HeartbeatConfig, url: Secret, well: Callable[[], bool],
        beaten: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._config, self._url, self._well, self._beaten = config, url, well, beaten
        self.failing = ""

    async def run(self) -> None:
        """Beat until cancelled."""
        async with session() as opened:
            while True:
                if self._well():
                    self._tell(await beat(opened, self._config, self._url))
                await asyncio.sleep(self._config.every_s)

    def _tell(self, why: str) -> None:
        """Log once when nobody hears it, and once when somebody does again."""
        if why and not self.failing:
            log.error("heartbeat_not_heard", why=why, next="tried again; silence there raises its alarm")
        elif self.failing and not why:
            log.warning("heartbeat_heard_again", failed_with=self.failing)
        if not why:
            self._beaten()
        self.failing = why


def session() -> aiohttp.ClientSession:
    """Open what beats are sent with; it goes through the environment's proxy."""
    timeout = aiohttp.ClientTimeout(total=DEADLINE_S)
    return aiohttp.ClientSession(timeout=timeout, trust_env=True, cookie_jar=aiohttp.DummyCookieJar())


async def beat(opened: aiohttp.ClientSession, config: HeartbeatConfig, url: Secret) -> str:
    """Send one beat; return why nobody heard it, empty where somebody did. Says nothing of the address."""
    try:
        async with opened.request(config.method, url.reveal(), allow_redirects=False) as answer:
            return "" if answer.status < 300 else f"HTTP {answer.status}"
    except TimeoutError:
        return f"no answer within {DEADLINE_S:g} s"
    except aiohttp.InvalidURL:
        return "the address cannot be read"
    except (aiohttp.ClientError, OSError) as error:
        return type(error).__name__
