"""What all networks share: how features enter, and how quantiles leave.

```
tabular (n, F)  → squeeze, standardise, 0 where unknown + mask → Linear → (n, d)
venue, coin     → embeddings (n, 6), (n, 4)
sequence (n, S, C) → the network's own encoder → (n, e)
all together    → Linear → horizon blocks → quantiles (n, 4, 9) ascending, direction logits (n, 4)
```
The centre of each horizon's law is a gated mean of simple forecasts (last rate, EWMAs, other venues, the resting rate)
plus a correction: rates that rest stay exactly at rest, and what is far from habit returns at a learned speed, both of
which a plain output layer approximates only.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hedged.domain.forecast import LEVELS

N_HORIZONS = 4
VENUE_DIM, COIN_DIM = 6, 4


@dataclass(frozen=True, slots=True)
class InputShape:
    """Sizes that the data fix. `experts`: columns of the tabular input that are forecasts themselves."""

    features: int
    steps: int
    channels: int
    venues: int
    coins: int
    experts: tuple[int, ...]


class Inputs(nn.Module):
    """Tabular features and embeddings → one vector."""

    def __init__(self, shape: InputShape, width: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape.features))
        self.register_buffer("sd", torch.ones(shape.features))
        self.layer = nn.Linear(2 * shape.features, width)
        self.venue = nn.Embedding(shape.venues, VENUE_DIM)
        self.coin = nn.Embedding(shape.coins, COIN_DIM)
        self.dropout = nn.Dropout(dropout)
        self.width = width + VENUE_DIM + COIN_DIM

    def forward(self, tabular: Tensor, venue: Tensor, coin: Tensor) -> Tensor:
        """(n, F), (n,), (n,) → (n, width)."""
        unknown = torch.isnan(tabular)
        x = torch.where(unknown, torch.zeros_like(tabular), tabular)
        x = torch.sign(x) * torch.log1p(torch.abs(x))
        x = torch.where(unknown, torch.zeros_like(x), (x - self.mean) / self.sd)
        x = torch.cat((torch.clamp(x, -6.0, 6.0), unknown.to(x.dtype)), dim=1)
        x = self.dropout(nn.functional.silu(self.layer(x)))
        return torch.cat((x, self.venue(venue), self.coin(coin)), dim=1)


class Outputs(nn.Module):
    """One vector → quantiles and direction of every horizon, in units of s from the last rate."""

    def __init__(self, shape: InputShape, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(width, hidden), nn.SiLU(), nn.Dropout(dropout), nn.Linear(hidden, hidden), nn.SiLU()
        )
        self.n_experts = len(shape.experts) + 1
        self.register_buffer("experts", torch.tensor(shape.experts, dtype=torch.long))
        self.gate = nn.Linear(hidden, N_HORIZONS * self.n_experts)
        self.shift = nn.Linear(hidden, N_HORIZONS)
        self.spread = nn.Linear(hidden, N_HORIZONS * (len(LEVELS) - 1))
        self.direction = nn.Linear(hidden, N_HORIZONS)
        nn.init.zeros_(self.shift.weight)
        nn.init.zeros_(self.shift.bias)
        nn.init.constant_(self.spread.bias, -1.0)

    def forward(self, x: Tensor, tabular: Tensor) -> tuple[Tensor, Tensor]:
        """(n, width), (n, F) → (n, horizons, quantiles), (n, horizons)."""
        hidden = self.body(x)
        raw = tabular[:, self.experts]  # (n, experts)
        unknown = torch.isnan(raw)
        known = torch.cat((torch.zeros_like(raw[:, :1], dtype=torch.bool), unknown), dim=1)
        value = torch.where(unknown, torch.zeros_like(raw), torch.clamp(raw, -15.0, 15.0))
        value = torch.cat((torch.zeros_like(value[:, :1]), value), dim=1)  # the last rate itself is 0
        gate = self.gate(hidden).view(-1, N_HORIZONS, self.n_experts)
        gate = torch.where(known[:, None, :], torch.full_like(gate, -1e4), gate)
        centre = (torch.softmax(gate, dim=2) * value[:, None, :]).sum(dim=2) + self.shift(hidden)
        steps = nn.functional.softplus(self.spread(hidden)).view(-1, N_HORIZONS, len(LEVELS) - 1)
        half = len(LEVELS) // 2
        below = torch.flip(torch.cumsum(torch.flip(steps[:, :, :half], (2,)), dim=2), (2,))
        above = torch.cumsum(steps[:, :, half:], dim=2)
        middle = centre[:, :, None]
        return torch.cat((middle - below, middle, middle + above), dim=2), self.direction(hidden)
