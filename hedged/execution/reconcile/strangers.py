"""Executions that carry this account's tag but stand in no journal: of a lost journal, or of a second daemon.

They are never the trader's own. What is known of them is the sum per market; N is what is left without it, and as older
ones may be missing from that sum, nothing is opened for their coin until the operator has said whose they are.
"""

from collections.abc import Collection, Mapping
from decimal import Decimal

import structlog

from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import ID_DIGITS, Execution, tag

NOTHING = Decimal(0)
REMEDY = "restore the journal; or close its hedges by hand, then say `reconcile: {disown_before: <now>}` and restart"
log = structlog.get_logger(__name__)


class Strangers:
    """`coins`: signed, by market, of fills that are a daemon's and not in this journal."""

    def __init__(self, account: str, disown_before_ms: int = 0) -> None:
        """`account`: whose tag; none is looked for where it is empty."""
        self._tag = tag(account) if account else ""
        self._disown_before_ms = disown_before_ms
        self.coins: dict[SeriesKey, Decimal] = {}

    @property
    def looks(self) -> bool:
        """Whether any tag is looked for."""
        return bool(self._tag)

    def tagged(self, client_id: str | None) -> bool:
        """Tell whether a client id is one that a daemon on this account makes."""
        if not self._tag or client_id is None or len(client_id) != ID_DIGITS:
            return False
        return client_id.startswith(self._tag) and all(digit in "0123456789abcdef" for digit in client_id)

    def take(self, execution: Execution) -> bool:
        """Count an execution that no journalled order explains; True if it is a stranger's, not a person's."""
        if not self.tagged(execution.client_id) or execution.ts_ms < self._disown_before_ms:
            return False
        key = execution.key
        self.coins[key] = self.coins.get(key, NOTHING) + execution.signed_quantity
        return True

    def tell(self, execution: Execution, *, lost: bool) -> None:
        """Log a stranger's execution when it is first seen. `lost`: it is older than this journal."""
        log.error(
            "fill_of_a_lost_journal" if lost else "fill_of_another_daemon", market=str(execution.key),
            client_id=execution.client_id, quantity=f"{execution.signed_quantity:+f}", remedy=REMEDY,
        )  # fmt: skip

    def on_injective(self) -> Mapping[str, Decimal]:
        """Return by symbol the signed coins that are not the trader's own position."""
        return {key.symbol: q for key, q in self.coins.items() if key.venue == INJECTIVE}

    def frozen(self, markets: Collection[SeriesKey]) -> dict[SeriesKey, str]:
        """Say on which markets nothing may be opened: every one of a coin whose N cannot be derived."""
        symbols = {key.symbol for key in self.coins}
        why = "fills carry the tag of this account that the journal does not know, so N cannot be derived"
        keys = {*self.coins, *(key for key in markets if key.symbol in symbols)}
        return dict.fromkeys(keys, f"{why}: {REMEDY}")
