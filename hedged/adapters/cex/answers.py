"""What an exchange may answer at most: a redirect is refused, and so is more than anybody would honestly send.

ccxt follows redirects and reads answers whole. A redirect would carry the key in the headers, and send an order once
more, to wherever it points; an endless answer would take all memory.
"""

import aiohttp

LARGEST_BYTES = 64 << 20
"""The longest honest list of markets is some ten megabytes."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})


class BoundedAnswer(aiohttp.ClientResponse):
    """For `ClientSession(response_class=...)`. To ccxt what it raises is an answer that broke off."""

    async def start(self, connection: "aiohttp.connector.Connection") -> aiohttp.ClientResponse:
        """Read the head. Raises ClientPayloadError for a redirect."""
        started = await super().start(connection)
        if self.status in REDIRECTS:
            raise aiohttp.ClientPayloadError(f"status {self.status}: redirects are not followed")
        return started

    async def read(self) -> bytes:
        """Read the whole body. Raises ClientPayloadError for one that is too large."""
        if self._body is None:
            parts, size = list[bytes](), 0
            async for part in self.content.iter_any():
                size += len(part)
                if size > LARGEST_BYTES:
                    self.close()
                    raise aiohttp.ClientPayloadError(f"larger than {LARGEST_BYTES:,} bytes")
                parts.append(part)
            self._body = b"".join(parts)
        return await super().read()
