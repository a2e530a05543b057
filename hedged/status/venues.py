"""The venues: how their data stand, what of it is not believed, where their word on the account does not agree."""

from collections.abc import Collection, Mapping

from hedged.collectors.feed import FeedStatus
from hedged.domain.market import SeriesKey
from hedged.domain.quarantine import Quarantine
from hedged.execution.accounts import Accounts, AccountState
from hedged.status.document import Doubt, VenueRow
from hedged.telemetry.reconcile import unpaid


def venue_rows(
    keys: Collection[SeriesKey],
    ages_s: Mapping[SeriesKey, float],
    limit_s: float,
    feeds: Mapping[str, FeedStatus],
    notes: Mapping[str, Collection[str]],
) -> tuple[VenueRow, ...]:
    """Return a row for every venue. `ages_s`: of prices, without those never seen; `notes`: what is wrong there."""
    rows = []
    for venue in sorted({key.venue for key in keys} | set(feeds) | set(notes)):
        mine = [key for key in keys if key.venue == venue]
        seen = [ages_s[key] for key in mine if key in ages_s]
        oldest_s = max(seen) if mine and len(seen) == len(mine) else None
        feed = feeds.get(venue)
        told_s = feed.ages_s.get("price") if feed else None  # between two cycles streams know more
        rows.append(
            VenueRow(
                venue=venue,
                streams=dict(sorted(feed.live.items())) if feed else {},
                ages_s=dict(sorted(feed.ages_s.items())) if feed else {},
                lags_s=dict(sorted(feed.lags_s.items())) if feed else {},
                messages=feed.messages if feed else None,
                oldest_s=oldest_s if oldest_s is None or told_s is None else min(oldest_s, told_s),
                stale=bool(mine) and (oldest_s is None or oldest_s > limit_s),
                notes=tuple(notes.get(venue, ())),
            )
        )
    return tuple(rows)


def venue_notes(
    account: AccountState, lost: Collection[str], closed: Mapping[SeriesKey, str]
) -> dict[str, list[str]]:
    """Return by venue what is wrong there: data or account that cannot be had, markets on which nothing is opened."""
    notes: dict[str, list[str]] = {}
    for venue in sorted(lost):
        notes.setdefault(venue, []).append("does not answer when asked for data")
    for venue, why in sorted(account.unknown.items()):
        notes.setdefault(venue, []).append(f"the account is unknown: {why}")
    by_reason: dict[tuple[str, str], list[str]] = {}
    for key, why in sorted(closed.items()):
        by_reason.setdefault((key.venue, why), []).append(key.symbol)
    for (venue, why), symbols in by_reason.items():
        notes.setdefault(venue, []).append(f"nothing is opened in {', '.join(symbols)}: {why}")
    return notes


def quarantined(held: Mapping[SeriesKey, Quarantine]) -> tuple[Doubt, ...]:
    """Return a row for every series that is not believed."""
    return tuple(
        Doubt(
            venue=key.venue,
            symbol=key.symbol,
            what=one.fault.replace("_", " "),
            why=one.figures,
            since_ms=one.since_ms,
        )
        for key, one in held.items()
    )


def disagreements(accounts: Accounts) -> tuple[Doubt, ...]:
    """Return a row for each market that is frozen or in doubt, and for each orphan that may still fill."""
    doubts, owed, frozen = accounts.agreement.evidence.doubts, unpaid(accounts), accounts.latest.frozen
    rows = []
    for key in sorted({*frozen, *doubts, *owed}):
        found = [frozen[key]] if key in frozen else [doubts[key].text] if key in doubts else []
        if key in owed:
            found.append(f"funding that does not agree: {owed[key]:,.2f} USD")
        rows.append(
            Doubt(
                venue=key.venue,
                symbol=key.symbol,
                what="nothing is opened" if key in frozen else "watched",
                why="; ".join(found),
                since_ms=doubts[key].since_ms if key in doubts else None,
            )
        )
    for orphan in accounts.checks.orphans.open.values():
        why = (
            f"order {orphan.client_id} rests and nobody owns it: {orphan.remaining:f} coins, being cancelled"
        )
        rows.append(
            Doubt(
                venue=orphan.key.venue,
                symbol=orphan.key.symbol,
                what="orphaned order",
                why=why,
                since_ms=None,
            )
        )
    return tuple(rows)
