"""CNN + GRU: convolution over what the venues say together, recurrence over time, exchange embeddings beside them."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hedged.training.networks.head import Inputs, InputShape, Outputs


@dataclass(frozen=True, slots=True)
class CnnGruConfig:
    """Sizes and regularisation."""

    filters: int = 48
    kernel: int = 3
    hidden: int = 48
    static: int = 64
    head: int = 96
    dropout: float = 0.15


class CnnGru(nn.Module):
    """sequence (n, S, C) → two causal convolutions (n, filters, S) → GRU → last state (n, h)."""

    def __init__(self, shape: InputShape, config: CnnGruConfig) -> None:
        super().__init__()
        self.inputs = Inputs(shape, config.static, config.dropout)
        self.pad = nn.ConstantPad1d((config.kernel - 1, 0), 0.0)
        self.first = nn.Conv1d(shape.channels, config.filters, config.kernel)
        self.second = nn.Conv1d(config.filters, config.filters, config.kernel)
        self.gru = nn.GRU(config.filters, config.hidden, batch_first=True)
        self.outputs = Outputs(shape, config.hidden + self.inputs.width, config.head, config.dropout)

    def forward(
        self, tabular: Tensor, sequence: Tensor, venue: Tensor, coin: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return quantiles (n, horizons, levels) and direction logits (n, horizons)."""
        x = sequence.transpose(1, 2)  # (n, C, S)
        x = nn.functional.silu(self.first(self.pad(x)))
        x = nn.functional.silu(self.second(self.pad(x))) + x  # (n, filters, S)
        states, _ = self.gru(x.transpose(1, 2))  # (n, S, h)
        x = torch.cat((states[:, -1], self.inputs(tabular, venue, coin)), dim=1)
        quantiles, direction = self.outputs(x, tabular)
        return quantiles, direction
