"""LSTM with attention: the state after the last step, beside a mean of all states weighted by their relevance to it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hedged.training.networks.head import Inputs, InputShape, Outputs


@dataclass(frozen=True, slots=True)
class LstmAttentionConfig:
    """Sizes and regularisation."""

    hidden: int = 64
    static: int = 64
    head: int = 96
    dropout: float = 0.15


class LstmAttention(nn.Module):
    """sequence (n, S, C) → LSTM (n, S, h) → attention of the last state over all → (n, 2h)."""

    def __init__(self, shape: InputShape, config: LstmAttentionConfig) -> None:
        super().__init__()
        self.inputs = Inputs(shape, config.static, config.dropout)
        self.lstm = nn.LSTM(shape.channels, config.hidden, batch_first=True)
        self.query = nn.Linear(config.hidden, config.hidden)
        self.outputs = Outputs(shape, 2 * config.hidden + self.inputs.width, config.head, config.dropout)
        self.scale = config.hidden**-0.5

    def forward(
        self, tabular: Tensor, sequence: Tensor, venue: Tensor, coin: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return quantiles (n, horizons, levels) and direction logits (n, horizons)."""
        states, _ = self.lstm(sequence)  # (n, S, h)
        last = states[:, -1]  # (n, h)
        weight = torch.softmax((states @ self.query(last)[:, :, None])[:, :, 0] * self.scale, dim=1)  # (n, S)
        attended = (weight[:, :, None] * states).sum(dim=1)  # (n, h)
        x = torch.cat((last, attended, self.inputs(tabular, venue, coin)), dim=1)
        quantiles, direction = self.outputs(x, tabular)
        return quantiles, direction
