"""A node: one process, one operator's rows, a gRPC connection to the server. Weights and a number of rows leave it."""

import argparse
import os
from pathlib import Path
from typing import Any

os.environ["FLWR_TELEMETRY_ENABLED"] = "0"  # read at import; the engine reports its use by default

import torch
from flwr.client import NumPyClient, start_client

from experiments.federated.learning import Agreement, Node
from experiments.federated.splits import read_rows


class Client(NumPyClient):  # type: ignore[misc]
    """The engine's side of a node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def fit(self, parameters: Any, config: dict[str, Any]) -> tuple[Any, int, dict[str, Any]]:
        """Answer a round: arrays, how many rows they come from, and nothing else."""
        return self._node.answer(int(config["round"]), parameters), len(self._node.rows), {}


def main() -> None:
    """Join a server and stay until it ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True)
    parser.add_argument("--agreement", type=Path, required=True)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--poison", default="none")
    args = parser.parse_args()
    torch.set_num_threads(1)
    node = Node(Agreement.read(args.agreement), read_rows(args.rows), args.number, args.poison)
    start_client(server_address=args.server, client=Client(node).to_client(), insecure=True, max_retries=30)
    print(next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line))


if __name__ == "__main__":
    main()
