"""Where the other engines' answers are kept: results.json, one section an engine. Standard library alone."""

import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

RESULTS = Path(__file__).parent / "results.json"


def text(usd: Decimal) -> str:
    """Write USD to a ten-thousandth, without needless zeros."""
    return f"{usd.quantize(Decimal('0.0001')).normalize() + 0:f}"


def keep(engine: str, version: str, fed: str, answers: Mapping[str, str]) -> None:
    """Put an engine's section into results.json. `answers`: USD by scenario."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    kept[engine] = {
        "version": version,
        "python": platform.python_version(),
        "run": f"{datetime.now(tz=UTC):%Y-%m-%d}",
        "fed": fed,
        "usd": dict(answers),
    }
    text_of = json.dumps(dict(sorted(kept.items())), indent=2, ensure_ascii=False)
    RESULTS.write_text(text_of + "\n", encoding="utf-8")
