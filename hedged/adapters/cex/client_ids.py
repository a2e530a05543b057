"""The daemon's client ids as an exchange takes them: each has its own rule for length, letters and prefix.

A template says how: `{hex}` is the id as it stands in the journal, 32 hex digits; `{base32}` the same 128 bits as 26
small letters and digits, where 32 are too many. `t-{base32}` is Gate's rule: 28 characters that begin with t-.
"""

import base64
import re

from hedged.domain.orders import CLIENT_ID

SHORT = re.compile(r"^[a-z2-7]{26}$")
PADDING = "======"


class ClientIds:
    """Turns client ids into an exchange's and back, without a memory of what was sent."""

    def __init__(self, template: str) -> None:
        """`template` holds {hex} or {base32} once."""
        self._short = "{base32}" in template
        self._before, _, self._after = template.partition("{base32}" if self._short else "{hex}")

    def theirs(self, client_id: str) -> str:
        """Return what the exchange is told. Raises ValueError for an id that is none of the daemon's."""
        if not self._short:
            return f"{self._before}{client_id}{self._after}"
        code = base64.b32encode(bytes.fromhex(client_id)).decode().rstrip("=").lower()
        return f"{self._before}{code}{self._after}"

    def ours(self, told: object) -> str | None:
        """Return the daemon's id in what an exchange tells; None where it is none of the daemon's."""
        text = str(told)
        if not (text.startswith(self._before) and text.endswith(self._after)):
            return None
        code = text[len(self._before) : len(text) - len(self._after)]
        if not self._short:
            return code if CLIENT_ID.match(code) else None
        if not SHORT.match(code):
            return None
        found = base64.b32decode(code.upper() + PADDING).hex()
        return found if self.theirs(found) == text else None
