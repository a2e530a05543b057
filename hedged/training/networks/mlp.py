"""Multilayer perceptron: tabular features and the last steps of the sequence laid flat."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hedged.training.networks.head import Inputs, InputShape, Outputs


@dataclass(frozen=True, slots=True)
class MlpConfig:
    """Sizes and regularisation. `steps`: of the sequence, newest, that are read."""

    steps: int = 12
    flat: int = 64
    static: int = 128
    head: int = 128
    dropout: float = 0.15


class Mlp(nn.Module):
    """sequence (n, S, C) → its last steps (n, steps·C) → Linear."""

    def __init__(self, shape: InputShape, config: MlpConfig) -> None:
        super().__init__()
        self.steps = config.steps
        self.inputs = Inputs(shape, config.static, config.dropout)
        self.flat = nn.Linear(config.steps * shape.channels, config.flat)
        self.outputs = Outputs(shape, config.flat + self.inputs.width, config.head, config.dropout)

    def forward(
        self, tabular: Tensor, sequence: Tensor, venue: Tensor, coin: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return quantiles (n, horizons, levels) and direction logits (n, horizons)."""
        recent = nn.functional.silu(self.flat(sequence[:, -self.steps :].flatten(1)))  # (n, flat)
        x = torch.cat((recent, self.inputs(tabular, venue, coin)), dim=1)
        quantiles, direction = self.outputs(x, tabular)
        return quantiles, direction
