"""How far a training is: one share of the whole, from what its stages tell."""

from dataclasses import dataclass, field

from hedged.features.targets import HORIZONS
from hedged.training.config import TrainConfig

_SLOW_NETWORK = 5.0
"""Time of an epoch of the others ÷ an MLP's."""
_TREES = {"s1": 12.0, "s3": 12.0, "m24h": 6.0, "m120h": 3.0}


@dataclass(slots=True)
class Whole:
    """Stages, each with its share of the time, roughly."""

    config: TrainConfig
    _weights: dict[str, float] = field(default_factory=dict)
    _done: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._weights = {"cascades": 4.0, "samples": 8.0, "stand-in samples": 2.0}
        for label, effort in (("hold-out: ", self.config.hold_out_effort), ("", 1.0)):
            for one in self.config.networks:
                cost = one.epochs * (1.0 if one.network == "mlp" else _SLOW_NETWORK)
                self._weights[f"{label}{one.name}"] = effort * cost
            for horizon in HORIZONS:
                self._weights[f"{label}trees {horizon}"] = effort * _TREES[horizon]

    def told(self, stage: str, share: float) -> float:
        """Take what a stage tells; return the share of the whole, 0 … 1, which never falls."""
        if stage not in self._weights:
            return self.share
        self._done[stage] = max(self._done.get(stage, 0.0), min(share, 1.0))
        return self.share

    @property
    def share(self) -> float:
        """The share that is done."""
        done = sum(self._weights[stage] * share for stage, share in self._done.items())
        return min(done / sum(self._weights.values()), 1.0)
