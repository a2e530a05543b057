"""Fitting one network: pinball loss over all horizons and levels, cross-entropy for the direction beside it.

AdamW under a one-cycle learning rate; the weights kept are an exponential moving average. Venue and coin are hidden
from a share of the samples, so that the network also learns to forecast ones it has never seen.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hedged.domain.forecast import LEVELS
from hedged.features.samples import Samples
from hedged.forecast.vocabulary import Vocabulary
from hedged.training.networks import make_network
from hedged.training.networks.head import InputShape

EXPERTS = (
    "ewm1", "ewm2", "ewm4", "ewm8", "ewm16", "ewm32", "ewm64", "lag1", "lag2", "mean24h", "mean168h", "mean720h",
    "seasonal", "pin_distance", "others_mean", "others_fresh", "others_ewm", "hourly_8h",
)  # fmt: skip
"""Features that are forecasts themselves; the networks' centre is a gated mean of them."""
CLIP = 10.0
"""Targets beyond this many s are taken as this many: a squeeze's size is not learnable, its direction is."""


@dataclass(frozen=True, slots=True)
class Member:
    """A network of the ensemble: which, with which seed, how long it learns, and where its sizes differ."""

    network: str
    seed: int = 0
    epochs: int = 6
    sizes: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name it as the card does."""
        return f"{self.network}-{self.seed + 1}"

    def make(self, shape: InputShape) -> Any:
        """Make it, untrained; seed torch first."""
        return make_network(self.network, shape, **self.sizes)


@dataclass(frozen=True, slots=True)
class FitConfig:
    """How networks are fitted. `per_epoch`: samples drawn for one epoch; `ema`: step of the moving average."""

    per_epoch: int = 120_000
    batch: int = 512
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    ema: float = 0.005
    hide_venue: float = 0.1
    hide_coin: float = 0.3
    direction_weight: float = 0.1


@dataclass(frozen=True, slots=True)
class TensorData:
    """What training reads at random: memory-mapped or in memory. y: (n, horizons) scaled and clipped, NaN unknown."""

    tabular: NDArray[np.float32]
    sequence: NDArray[np.float16]
    venue: NDArray[np.int64]
    coin: NDArray[np.int64]
    y: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.venue)

    @staticmethod
    def of(samples: Samples, vocabulary: Vocabulary) -> "TensorData":
        """Prepare samples."""
        venue, coin = vocabulary.encode(samples.keys)
        y = np.clip(samples.scaled_target, -CLIP, CLIP)
        return TensorData(samples.tabular, samples.sequence, venue[samples.series], coin[samples.series], y)

    def pick(self, rows: NDArray[np.int64]) -> "TensorData":
        """Return some of the rows, copied."""
        return TensorData(
            self.tabular[rows], self.sequence[rows], self.venue[rows], self.coin[rows], self.y[rows]
        )


def input_shape(samples: Samples, vocabulary: Vocabulary) -> InputShape:
    """Return the sizes that these data fix."""
    return InputShape(
        features=samples.tabular.shape[1], steps=samples.sequence.shape[1], channels=samples.sequence.shape[2],
        venues=len(vocabulary.venues) + 1, coins=len(vocabulary.coins) + 1,
        experts=tuple(samples.names.index(name) for name in EXPERTS),
    )  # fmt: skip


def fit_network(
    member: Member, shape: InputShape, data: TensorData, rows: NDArray[np.int64], config: FitConfig, seed: int,
    device: str, on_progress: Callable[[float], None] = lambda _: None, start: Mapping[str, Any] | None = None,
) -> Any:  # fmt: skip
    """Fit one network on these rows; returns it in evaluation mode, on the CPU.

    The same seed on the same machine fits the same. `start`: the state to go on from, standardisation included.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = member.make(shape)
    if start is None:
        _standardise(net, data.tabular[rows[:: max(len(rows) // 100_000, 1)]])
    else:
        net.load_state_dict(start)
    net.to(device).train()
    rows = rows[~np.isnan(data.y[rows]).all(axis=1)]
    epochs = member.epochs
    per_epoch = max(min(config.per_epoch, len(rows)) // config.batch, 1)
    batch = min(config.batch, len(rows))
    optimiser = torch.optim.AdamW(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.learning_rate, total_steps=epochs * per_epoch
    )
    average = {key: value.detach().clone() for key, value in net.state_dict().items()}
    for epoch in range(epochs):
        order = rng.permutation(rows)[: per_epoch * batch].reshape(per_epoch, batch)
        for done, picked in enumerate(order):
            loss = _loss(net, data, np.sort(picked), config, rng, device)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            _follow(average, net.state_dict(), config.ema)
            if done % 20 == 0:
                on_progress((epoch + done / per_epoch) / epochs)
    net.load_state_dict(average)
    on_progress(1.0)
    return net.to("cpu").eval()


def _standardise(net: Any, tabular: NDArray[np.float32]) -> None:
    """Measure mean and spread of the squeezed features on a sample of the training rows."""
    squeezed = np.sign(tabular) * np.log1p(np.abs(tabular))
    known = ~np.isnan(squeezed)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, squeezed, 0.0).sum(axis=0) / count
    spread = np.sqrt((np.where(known, squeezed - mean, 0.0) ** 2).sum(axis=0) / count)
    net.inputs.mean.copy_(torch.from_numpy(mean.astype(np.float32)))
    net.inputs.sd.copy_(torch.from_numpy(np.where(spread > 1e-3, spread, 1.0).astype(np.float32)))


def _loss(
    net: Any, data: TensorData, picked: NDArray[np.int64], config: FitConfig, rng: np.random.Generator, device: str
) -> Any:  # fmt: skip
    venue = np.where(rng.random(len(picked)) < config.hide_venue, 0, data.venue[picked])
    coin = np.where(rng.random(len(picked)) < config.hide_coin, 0, data.coin[picked])
    arrays = (data.tabular[picked], data.sequence[picked].astype(np.float32), venue, coin, data.y[picked])
    tabular, sequence, v, c, y = (torch.from_numpy(array).to(device) for array in arrays)
    quantiles, direction = net(tabular, sequence, v, c)
    known = ~torch.isnan(y)
    y = torch.nan_to_num(y)
    levels = torch.tensor(LEVELS, dtype=torch.float32, device=device)
    error = y[:, :, None] - quantiles
    pinball = torch.maximum(levels * error, (levels - 1.0) * error).mean(dim=2)
    up = (y > 0).float() + 0.5 * (y == 0).float()
    entropy = nn.functional.binary_cross_entropy_with_logits(direction, up, reduction="none")
    return ((pinball + config.direction_weight * entropy) * known).sum() / known.sum().clamp(min=1)


@torch.no_grad()
def _follow(average: dict[str, Any], now: dict[str, Any], step: float) -> None:
    for key, value in now.items():
        if value.dtype.is_floating_point:
            average[key].lerp_(value, step)
        else:
            average[key].copy_(value)
