"""Transformer encoder: every step attends to every other; the newest step's token is read."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hedged.training.networks.head import Inputs, InputShape, Outputs


@dataclass(frozen=True, slots=True)
class TransformerConfig:
    """Sizes and regularisation."""

    width: int = 48
    heads: int = 4
    layers: int = 2
    feedforward: int = 96
    static: int = 64
    head: int = 96
    dropout: float = 0.15


class Transformer(nn.Module):
    """sequence (n, S, C) → tokens (n, S, w) + learned positions → encoder layers → newest token (n, w)."""

    def __init__(self, shape: InputShape, config: TransformerConfig) -> None:
        super().__init__()
        self.inputs = Inputs(shape, config.static, config.dropout)
        self.embed = nn.Linear(shape.channels, config.width)
        self.position = nn.Parameter(torch.zeros(shape.steps, config.width))
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.layers))
        self.outputs = Outputs(shape, config.width + self.inputs.width, config.head, config.dropout)

    def forward(
        self, tabular: Tensor, sequence: Tensor, venue: Tensor, coin: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return quantiles (n, horizons, levels) and direction logits (n, horizons)."""
        x = self.embed(sequence) + self.position
        for layer in self.layers:
            x = layer(x)
        x = torch.cat((x[:, -1], self.inputs(tabular, venue, coin)), dim=1)
        quantiles, direction = self.outputs(x, tabular)
        return quantiles, direction


class EncoderLayer(nn.Module):
    """Pre-norm self-attention and feed-forward; (n, S, w) → (n, S, w)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.before, self.after = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.feedforward = nn.Sequential(
            nn.Linear(config.width, config.feedforward),
            nn.SiLU(),
            nn.Linear(config.feedforward, config.width),
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Attend, then transform."""
        n, steps, width = x.shape
        qkv = self.qkv(self.before(x)).view(n, steps, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (n, heads, S, w / heads)
        attended = nn.functional.scaled_dot_product_attention(q, k, v)
        x = x + self.dropout(self.out(attended.transpose(1, 2).reshape(n, steps, width)))
        return x + self.dropout(self.feedforward(self.after(x)))
