"""The networks by name, each with its configuration; one file a network, all with the inputs and outputs of `head`."""

from dataclasses import replace
from typing import Any

from hedged.training.networks.cnn_gru import CnnGru, CnnGruConfig
from hedged.training.networks.head import InputShape
from hedged.training.networks.lstm_attention import LstmAttention, LstmAttentionConfig
from hedged.training.networks.mlp import Mlp, MlpConfig
from hedged.training.networks.transformer import Transformer, TransformerConfig

NETWORKS: dict[str, tuple[Any, Any]] = {
    "lstm_attention": (LstmAttention, LstmAttentionConfig()),
    "cnn_gru": (CnnGru, CnnGruConfig()),
    "transformer": (Transformer, TransformerConfig()),
    "mlp": (Mlp, MlpConfig()),
}


def make_network(name: str, shape: InputShape, **sizes: float) -> Any:
    """Make an untrained network; `sizes` differ from its configuration's own (`dropout=0.3`).

    Its weights come from torch's generator: seed that first.
    """
    kind, config = NETWORKS[name]
    return kind(shape, replace(config, **sizes))
