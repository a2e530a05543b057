"""What venues tell that does not agree: metrics, and the rows of the status page."""

from decimal import Decimal

from hedged.domain.clock import iso
from hedged.domain.market import SeriesKey
from hedged.execution.accounts import Accounts
from hedged.telemetry.metrics import Metrics


def publish_reconciliation(accounts: Accounts, metrics: Metrics) -> None:
    """Set what the latest reconciliation has found; a market that agrees again is set to zero."""
    checks, doubts = accounts.checks, accounts.agreement.evidence.doubts
    for venue, swept in checks.orphans.swept.items():
        metrics.orphans_swept.labels(venue).set(swept)
        metrics.orphans_open.labels(venue).set(
            sum(o.key.venue == venue for o in checks.orphans.open.values())
        )
    owed = _unpaid(accounts)
    for key in {*accounts.told, *accounts.latest.frozen, *doubts, *owed}:
        metrics.evidence_mismatch.labels(*key).set(float(doubts[key].moved) if key in doubts else 0)
        metrics.ledger_mismatch.labels(*key).set(float(owed.get(key, 0)))
        metrics.frozen.labels(*key).set(key in accounts.latest.frozen)
        accounts.told.add(key)


def reconcile_rows(accounts: Accounts) -> list[dict[str, str]]:
    """Return a row for each market that is frozen or in doubt, and for each orphan that may still fill."""
    doubts, owed, frozen = accounts.agreement.evidence.doubts, _unpaid(accounts), accounts.latest.frozen
    rows = []
    for key in sorted({*frozen, *doubts, *owed}):
        found = [frozen[key]] if key in frozen else []
        if key in doubts:
            found += [f"since {iso(doubts[key].since_ms)}", *([] if found else [doubts[key].text])]
        if key in owed:
            found.append(f"funding that does not agree: {owed[key]:,.2f} USD")
        state = "nothing is opened" if key in frozen else "watched"
        rows.append({"venue": key.venue, "symbol": key.symbol, "state": state, "why": "\n".join(found)})
    for orphan in accounts.checks.orphans.open.values():
        why = (
            f"order {orphan.client_id} rests and nobody owns it: {orphan.remaining:f} coins, being cancelled"
        )
        rows.append(
            {"venue": orphan.key.venue, "symbol": orphan.key.symbol, "state": "orphaned order", "why": why}
        )
    return rows


def _unpaid(accounts: Accounts) -> dict[SeriesKey, Decimal]:
    found: dict[SeriesKey, Decimal] = {}
    for (key, _), difference in accounts.checks.ledger.open.items():
        found[key] = found.get(key, Decimal(0)) + difference.usd
    return found
