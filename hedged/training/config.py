"""What is trained, and how much of it: the whole ensemble, or what a small machine can carry."""

from dataclasses import dataclass, field, replace

from hedged.domain.clock import DAY_MS
from hedged.features.sampling import FIRST_MS, Sampling
from hedged.training.fit import FitConfig, Member
from hedged.training.trees import Growth, TreesConfig


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """What is trained. `threads`: of torch and LightGBM together. `hold_out_effort`: rows that members read for the
    hold-out, as share of what they read at the end: their order of merit is wanted there, not their best. `without`:
    coins left out, so that the model can be measured on coins it has never seen. `learn_days`: nothing older than so
    many days is learnt from; None: from all since `FIRST_MS`.

    What paid, measured on half-years that no member had seen: a wide perceptron with much dropout that learns long. The
    others cost five times as much per epoch and add variety; the weights by horizon choose among them.
    """

    networks: tuple[Member, ...] = (
        Member("mlp", 0, 24, {"static": 192, "head": 192, "flat": 96, "dropout": 0.3}),
        Member("mlp", 1, 24, {"static": 256, "head": 256, "flat": 128, "dropout": 0.4}),
        Member("lstm_attention", 0, 5),
        Member("cnn_gru", 0, 5),
        Member("transformer", 0, 4),
        Member("transformer", 1, 3),
    )
    fit: FitConfig = field(default_factory=FitConfig)
    trees: TreesConfig = field(default_factory=TreesConfig)
    sampling: Sampling = field(default_factory=Sampling)
    stand_in: Sampling = field(default_factory=lambda: Sampling(0.0, 0.05, 0.01, 0.0))
    hold_out_days: int = 90
    hold_out_effort: float = 0.4
    without: tuple[str, ...] = ()
    learn_days: int | None = None
    seed: int = 0
    threads: int = 2

    def first_ms(self, to_ms: int) -> int:
        """Return the instant from which on history is learnt from, ms."""
        return FIRST_MS if self.learn_days is None else max(FIRST_MS, to_ms - self.learn_days * DAY_MS)


def small(config: TrainConfig) -> TrainConfig:
    """Shrink a configuration to what a machine with 2 GB can train."""
    sampling = Sampling(0.5, 0.08, 0.03, 0.04, config.sampling.seed)
    fit = replace(config.fit, per_epoch=60_000)
    near = Growth(100, 31, 0.12, 300)
    trees = TreesConfig(near, near, near, Growth(100, 8, 0.12, 2_000, 0.3), max_rows=100_000)
    networks = (
        Member("mlp", 0, 24, {"static": 192, "head": 192, "flat": 96, "dropout": 0.3}),
        Member("cnn_gru", 0, 5),
        Member("transformer", 0, 4),
    )
    fewer = Sampling(0.0, 0.02, 0.004, 0.0)
    return replace(config, networks=networks, fit=fit, trees=trees, sampling=sampling, stand_in=fewer)


def tiny(config: TrainConfig) -> TrainConfig:
    """Shrink a configuration to what rehearses a training: all of its steps in seconds, on weeks of a few series."""
    near = Growth(20, 8, 0.15, 50)
    return replace(
        config,
        networks=(Member("mlp", 0, 4, {"static": 64, "head": 64, "flat": 32, "dropout": 0.2}),),
        fit=FitConfig(per_epoch=8_000, batch=256, ema=0.05),
        trees=TreesConfig(near, near, near, near, max_rows=20_000),
        sampling=Sampling(1.0, 0.5, 0.5, 0.0, config.sampling.seed),
        stand_in=Sampling(0.0, 0.02, 0.004, 0.0),
        hold_out_days=15,
    )


def with_effort(config: TrainConfig, share: float) -> TrainConfig:
    """Shrink the rows that members read to a share."""
    fit = replace(config.fit, per_epoch=round(config.fit.per_epoch * share))
    return replace(
        config, fit=fit, trees=replace(config.trees, max_rows=round(config.trees.max_rows * share))
    )
