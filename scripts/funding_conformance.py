"""Write the tables into docs/funding-conformance.md. Run it after changing a scenario, the engine, or results.json.

hedged's column is made by running its engine; the others' answers are those of benchmarks/peers/results.json.
"""

import json
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks" / "peers"))
from funding_scenarios import SCENARIOS
from run_hedged import Outcome, play

ROOT = Path(__file__).parents[1]
PEERS = ROOT / "benchmarks" / "peers"
PAGE = ROOT / "docs" / "funding-conformance.md"
BEGIN = "<!-- made by scripts/funding_conformance.py from benchmarks/peers -->\n"
END = "<!-- end of what is made -->"
WITHOUT_FUNDING = "nautilus_trader 1"
"""An engine that settles none: a right zero says nothing of it, so no answer of it is marked or counted."""


def recorded() -> dict[str, Any]:
    """Return the other engines' answers by engine."""
    answers: dict[str, Any] = json.loads((PEERS / "results.json").read_text(encoding="utf-8"))
    return answers


def tables(ours: Mapping[str, Outcome]) -> str:
    """Return the table of scenarios, what each engine was fed, and the gaps that hedged states. USD."""
    peers = recorded()
    engines = sorted(peers, key=lambda name: (name == WITHOUT_FUNDING, name))
    usd = {"hedged": {name: outcome.funding_usd for name, outcome in ours.items()}}
    usd |= {engine: {k: Decimal(v) for k, v in peers[engine]["usd"].items()} for engine in engines}
    heads = ["hedged", *(f"{engine.split()[0]} {peers[engine]['version']}" for engine in engines)]
    lines = [
        f"| scenario | by hand | answer | {' | '.join(heads)} |",
        "|---|---|---|" + "---|" * len(heads),
    ]
    for one in SCENARIOS:
        cells = [_cell(engine, usd[engine].get(one.name), Decimal(one.usd)) for engine in usd]
        lines.append(f"| {one.title} | {one.by_hand} | {_usd(Decimal(one.usd))} | {' | '.join(cells)} |")
    right = [_right(engine, usd[engine]) for engine in usd]
    lines.append(f"| **right** | | {len(SCENARIOS)} | {' | '.join(right)} |")
    lines += ["", "How the others were run:", ""]
    lines += [
        f"- **{engine.split()[0]} {peers[engine]['version']}** (Python {peers[engine]['python']}, "
        f"{peers[engine]['run']}): {peers[engine]['fed']}."
        for engine in engines
    ]
    lines += ["", "Gaps that hedged states (`gaps` of summary.json, and the report):", ""]
    lines += [f"- {one.title}: {gap}" for one in SCENARIOS for gap in ours[one.name].gaps]
    return "\n".join(lines)


def _usd(value: Decimal) -> str:
    return f"{value:+.4f}".rstrip("0").rstrip(".") if value else "0"


def _cell(engine: str, had: Decimal | None, answer: Decimal) -> str:
    if had is None:
        return "not run"
    if engine == WITHOUT_FUNDING:
        return "0, not modelled" if not had else _usd(had)
    return _usd(had) if had == answer else f"**✗** {_usd(had)}"


def _right(engine: str, had: Mapping[str, Decimal]) -> str:
    if engine == WITHOUT_FUNDING:
        return "not modelled"
    return str(sum(had.get(one.name) == Decimal(one.usd) for one in SCENARIOS))


def with_tables(text: str, ours: Mapping[str, Outcome]) -> str:
    """Return the page with the tables as they are now."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{tables(ours)}\n\n{END}{after}"


if __name__ == "__main__":
    outcomes = {one.name: play(one) for one in SCENARIOS}
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), outcomes), encoding="utf-8")
