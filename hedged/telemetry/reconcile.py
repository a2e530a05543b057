"""What venues tell that does not agree, as metrics."""

from decimal import Decimal

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
    owed = unpaid(accounts)
    for key in {*accounts.told, *accounts.latest.frozen, *doubts, *owed}:
        metrics.evidence_mismatch.labels(*key).set(float(doubts[key].moved) if key in doubts else 0)
        metrics.ledger_mismatch.labels(*key).set(float(owed.get(key, 0)))
        metrics.frozen.labels(*key).set(key in accounts.latest.frozen)
        accounts.told.add(key)


def unpaid(accounts: Accounts) -> dict[SeriesKey, Decimal]:
    """Return by market the funding that was paid otherwise than was due, USD."""
    found: dict[SeriesKey, Decimal] = {}
    for (key, _), difference in accounts.checks.ledger.open.items():
        found[key] = found.get(key, Decimal(0)) + difference.usd
    return found
