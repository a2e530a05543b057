"""What speaks for and against a divergence trade: the seeds' signals (E1–E5, B6) read off two venues. Pure.

Rates here are per 8 hours. A pair is (long, short): long where funding is lower, short where it is higher.
"""

from dataclasses import dataclass

from hedged.config import DivergenceConfig
from hedged.domain.market import SeriesKey
from hedged.features.market_now import Reading
from hedged.strategy.snapshot import Snapshot

PER_8H = 8
MEDIAN = 4
"""Place of the median in LEVELS."""
UNMOVED = 0.01
"""A price that moved less than this with the crowd within a day does not follow it (E5)."""


@dataclass(frozen=True, slots=True)
class Signals:
    """Of a pair, or of one market when it is traded alone. `now`, `coming`: divergence now and at the next settlement
    as forecast (now where it is not); `flagged` (E1), `ahead` (B6: forecast to open up), `deviates` (E2), `starting`
    and `reversing` (E3), `exhausted` (E5), `volatile` (E4).
    """

    now: float
    coming: float
    flagged: bool
    ahead: bool
    deviates: bool
    starting: bool
    reversing: bool
    exhausted: bool
    volatile: bool

    @property
    def enters(self) -> bool:
        """Whether there is something to collect, now or at the coming settlement."""
        return self.flagged or self.ahead

    @property
    def text(self) -> str:
        """One clause that names what is seen."""
        said = [f"divergence {self.now * 100:+.3f} % per 8 h"]
        said += [f"forecast {self.coming * 100:+.3f} % at the next settlement"] if self.ahead else []
        said += ["a rate far from its mean of a day"] if self.deviates else []
        said += ["open interest rises with an extreme rate: the move starts"] if self.starting else []
        said += ["open interest falls with an extreme rate: a reversal is near"] if self.reversing else []
        said += (
            ["funding is exhausted: extreme for a day, and price does not follow"] if self.exhausted else []
        )
        said += ["funding spiked within 8 h: half size"] if self.volatile else []
        return ", ".join(said)


def signals(
    snapshot: Snapshot, long: SeriesKey | None, short: SeriesKey | None, config: DivergenceConfig
) -> Signals:
    """Read the signals of a pair; with one of the two None, of the other market alone, whose rate is all there is."""
    now = _rate(snapshot, short) - _rate(snapshot, long)
    coming = _coming(snapshot, short) - _coming(snapshot, long)
    threshold = float(config.threshold)
    seen = [snapshot.now.readings[key] for key in (long, short) if key is not None]
    extreme = [r for r in seen if abs(r.rate) * PER_8H >= config.extreme]
    return Signals(
        now=now,
        coming=coming,
        flagged=now > threshold,
        ahead=now <= threshold < coming,
        deviates=any(abs(r.rate - r.mean_24h) * PER_8H > config.deviation for r in seen),
        starting=any(r.interest_change > 0 for r in extreme),
        reversing=any(r.interest_change < 0 for r in extreme),
        exhausted=any(_exhausted(r, config) for r in seen),
        volatile=any(r.range_8h * PER_8H > config.spike for r in seen),
    )


def _rate(snapshot: Snapshot, key: SeriesKey | None) -> float:
    return 0.0 if key is None else snapshot.now.readings[key].rate * PER_8H


def _coming(snapshot: Snapshot, key: SeriesKey | None) -> float:
    if key is None:
        return 0.0
    law = snapshot.forecasts.coming.get(key)
    return _rate(snapshot, key) if law is None else float(law[MEDIAN]) * PER_8H


def _exhausted(reading: Reading, config: DivergenceConfig) -> bool:
    """Tell whether a rate was extreme for a whole day and the price did not go the crowd's way."""
    least = reading.least_24h
    follows = reading.move if least > 0 else -reading.move
    return abs(least) * PER_8H >= config.extreme and follows < UNMOVED
