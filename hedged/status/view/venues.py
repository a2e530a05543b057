"""How well the forecasts do, how the venues' data stand, and what runs."""

from hedged.page import wording
from hedged.page.wording import esc, number
from hedged.status.document import Forecast, Status
from hedged.status.view import words


def errors(status: Status) -> str:
    """Return every market's coming settlement as it is forecast, and how the last one came out."""
    if not status.forecasts:
        return words.nothing("No rate is forecast yet.")
    heads = (
        ("Market", False), ("Next settlement", True), ("Last one came", True), ("Forecast was", True),
        ("Missed by", True), ("On average", True), ("Outside the band", True),
    )  # fmt: skip
    rows = [_error(one, status.about.now_ms) for one in status.forecasts]
    return words.table("Forecasts and last errors, percent a year", heads, rows, "errors")


def _error(one: Forecast, now_ms: int) -> tuple[str, ...]:
    by = "" if one.forecaster == "ensemble" else f"by {one.forecaster}"
    name = f"{esc(one.symbol)} on {esc(wording.venue(one.venue))}{words.small(esc(by))}"
    coming = words.UNKNOWN
    if one.coming is not None:
        at = one.coming.at_ms
        when = f"in {words.due(at, now_ms)}: " if at is not None and at > now_ms else ""
        told = f"{when}{words.yearly(one.coming.p10, 1)} … {words.yearly(one.coming.p90, 1)}"
        coming = f"{words.yearly(one.coming.p50)}{words.small(told)}"
    last = one.last_error
    outside = f"{one.missed} of {one.judged}" if one.judged else "none yet"
    if last is None:
        return name, coming, f"none yet{words.small('since the start')}", "–", "–", "–", outside
    ago = f"{words.since(last.ts_ms, now_ms)} ago"
    verdict = "inside" if last.inside else "outside"
    return (
        name,
        coming,
        f"{words.yearly(last.rate)}{words.small(ago)}",
        f"{words.yearly(last.p50)}{words.small(f'{words.yearly(last.p10, 1)} … {words.yearly(last.p90, 1)}')}",
        f"{words.yearly(last.rate - last.p50)}{words.small(verdict)}",
        words.yearly(one.mean_error).lstrip("+"),
        outside,
    )


def venues(status: Status) -> str:
    """Return every venue with the age of its data."""
    if not status.venues:
        return words.nothing("No venue has been asked yet.")
    heads = (
        ("Venue", False), ("Data", False), ("Oldest price", True), ("Streams", False), ("Values", False),
        ("Notes", False),
    )  # fmt: skip
    rows = []
    for row in status.venues:
        streams = "".join(
            f'<span class="leg">{esc(name)} {"up" if live else "<b>down</b>"}</span>'
            for name, live in row.streams.items()
        )
        values = "".join(
            f'<span class="leg">{esc(kind.replace("_", " "))} {number(age, 1)} s old'
            + (f", {number(row.lags_s[kind], 2)} s late" if kind in row.lags_s else "")
            + "</span>"
            for kind, age in row.ages_s.items()
        )
        fresh = '<b class="bad-word">■ stale</b>' if row.stale else '<span class="good-word">● fresh</span>'
        notes = "".join(f'<span class="leg">{esc(note)}</span>' for note in row.notes)
        oldest = words.UNKNOWN if row.oldest_s is None else f"{words.lasting(row.oldest_s)}"
        rows.append(
            (esc(wording.venue(row.venue)), fresh, oldest, streams or "–", values or "–", notes or "–")
        )
    return words.table("Venues and the age of their data", heads, rows, "venues")


def about(status: Status) -> str:
    """Return what runs, and on what."""
    told, now_ms = status.about, status.about.now_ms
    took = None if status.cycle.took_s is None else f"{number(status.cycle.took_s, 2)} s"
    terms = {
        "Mode": "live: real money" if told.mode == "live" else "paper: no money moves",
        "Account": esc(told.account),
        "Book": esc(told.book),
        "Market data": esc(told.data),
        "Forecaster": esc(told.forecaster),
        "Started": f"{words.clock(told.started_ms, now_ms)} UTC",
        "A decision every": words.lasting(status.cycle.interval_s),
        "The last one took": took or words.UNKNOWN,
        "Version": esc(told.version),
        "Configuration": f"<code>{esc(told.config_hash)}</code>",
        "Model": f"<code>{esc(told.model_hash)}</code>" if told.model_hash else words.UNKNOWN,
        "Features": f"<code>{esc(told.feature_hash)}</code>" if told.feature_hash else words.UNKNOWN,
    }
    for name, text in (("Market", told.market), ("Drift of the model", told.drift)):
        if text is not None:
            terms[name] = esc(text)
    if told.training is not None:
        terms["Training"] = esc(told.training)
    if told.announced is not None:
        terms["Venues announce"] = esc(told.announced)
    rows = "".join(f"<div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in terms.items())
    return f'<div class="fold"><dl>{rows}</dl></div>'
