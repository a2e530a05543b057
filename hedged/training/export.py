"""From torch to what serves: all networks as one ONNX graph, and a proof that both say the same."""

import logging
import warnings
from typing import Any

import numpy as np
import onnxruntime
import torch
from safetensors.torch import save
from torch import Tensor, nn

from hedged.training.fit import TensorData

INPUTS = ("tabular", "sequence", "venue", "coin")
PARITY = 1e-4
"""Largest difference allowed between torch and ONNX Runtime, in units of s (both float32)."""


class Together(nn.Module):
    """All networks side by side: one graph, one session, shared inputs."""

    def __init__(self, networks: list[Any]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(
        self, tabular: Tensor, sequence: Tensor, venue: Tensor, coin: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return quantiles (networks, n, horizons, levels) and direction logits (networks, n, horizons)."""
        said = [network(tabular, sequence, venue, coin) for network in self.networks]
        return torch.stack([law for law, _ in said]), torch.stack([direction for _, direction in said])


def export(networks: list[Any], data: TensorData) -> tuple[bytes, bytes, float]:
    """Return the ONNX graph, the weights as safetensors, and the largest difference on real rows.

    Raises ArithmeticError when torch and ONNX Runtime disagree.
    """
    together = Together(networks).eval()
    rows = np.linspace(0, len(data.venue) - 1, min(512, len(data.venue))).astype(int)
    arrays = (data.tabular[rows], data.sequence[rows].astype(np.float32), data.venue[rows], data.coin[rows])
    example = tuple(torch.from_numpy(array) for array in arrays)
    graph = _graph(together, example)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = together(*example)
    told = session.run(None, dict(zip(INPUTS, arrays, strict=True)))
    difference = max(float(np.abs(a.numpy() - b).max()) for a, b in zip(expected, told, strict=True))
    if not difference <= PARITY:
        raise ArithmeticError(f"ONNX Runtime differs from torch by {difference:.2g} s, allowed is {PARITY:g}")
    weights = {key: value.contiguous() for key, value in together.state_dict().items()}
    return graph, save(weights), difference


def _graph(together: nn.Module, example: tuple[Tensor, ...]) -> bytes:
    batch = torch.export.Dim("batch", min=1, max=1_000_000)
    for name in ("onnxscript", "torch.onnx"):  # they tell of extensions that nobody asked for
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own internals
        program = torch.onnx.export(
            together, example, dynamo=True, input_names=list(INPUTS), output_names=["quantiles", "direction"],
            dynamic_shapes=tuple({0: batch} for _ in INPUTS), verbose=False, optimize=True,
        )  # fmt: skip
    graph: bytes = program.model_proto.SerializeToString()
    return graph
