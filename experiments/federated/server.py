"""The server: averages what the nodes send by one of the engine's strategies, and keeps the weights of every round."""

import argparse
import os
from pathlib import Path
from typing import Any

os.environ["FLWR_TELEMETRY_ENABLED"] = "0"  # read at import; the engine reports its use by default

import numpy as np
from flwr.common import ndarrays_to_parameters, parameters_to_ndarrays
from flwr.server import ServerConfig, start_server
from flwr.server.strategy import FedAvg, FedMedian, FedTrimmedAvg, Krum

from experiments.federated.learning import MOMENTS, Agreement

STRATEGIES: dict[str, tuple[Any, dict[str, Any]]] = {
    "mean": (FedAvg, {}),
    "median": (FedMedian, {}),
    "trimmed": (FedTrimmedAvg, {"beta": 0.34}),
    "krum": (Krum, {"num_malicious_clients": 1}),
}


def strategy(name: str, agreement: Agreement, out: Path, nodes: int) -> Any:
    """Return a strategy of the engine that keeps each round's weights and takes round 1 as that of the moments."""
    base, options = STRATEGIES[name]

    class Kept(base):  # type: ignore[misc, valid-type]
        def aggregate_fit(self, server_round: int, results: Any, failures: Any) -> Any:
            parameters, metrics = super().aggregate_fit(server_round, results, failures)
            if failures or parameters is None:
                raise SystemExit(f"round {server_round} lacks a node: {failures}")
            arrays = parameters_to_ndarrays(parameters)
            if server_round == MOMENTS:
                arrays = agreement.standardised(arrays)
            np.savez(out / f"round-{server_round - MOMENTS}.npz", *arrays)
            return ndarrays_to_parameters(arrays), metrics

    return Kept(
        min_fit_clients=nodes, min_available_clients=nodes, fraction_evaluate=0.0, accept_failures=False,
        initial_parameters=ndarrays_to_parameters(agreement.arrays(agreement.network())),
        on_fit_config_fn=lambda number: {"round": number}, **options,
    )  # fmt: skip


def main() -> None:
    """Serve all rounds, then end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("--agreement", type=Path, required=True)
    parser.add_argument("--strategy", choices=tuple(STRATEGIES), default="mean")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    agreement = Agreement.read(args.agreement)
    start_server(
        server_address=args.address,
        config=ServerConfig(num_rounds=agreement.last + MOMENTS),
        strategy=strategy(args.strategy, agreement, args.out, args.nodes),
    )


if __name__ == "__main__":
    main()
