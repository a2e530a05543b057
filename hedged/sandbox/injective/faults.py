"""What can go wrong, switchable while the sandbox runs. Every fault is off until it is switched on."""

import dataclasses
from dataclasses import dataclass, field
from decimal import Decimal

from hedged.domain.errors import ConfigError


def _off(what: str) -> bool:
    return field(default=False, metadata={"what": what})


def _none(what: str) -> int:
    return field(default=0, metadata={"what": what})


@dataclass(slots=True)
class Faults:
    """Switches. Those of the node act on chain gRPC, indexer gRPC and HTTP alike unless a name says otherwise."""

    silent_rpc: bool = _off(
        "Requests are accepted and never answered; switched off, the waiting ones get their answer."
    )
    unavailable: bool = _off("Every request fails at once: gRPC UNAVAILABLE, HTTP 503.")
    rate_limited: bool = _off("Every request fails with RESOURCE_EXHAUSTED, HTTP 429.")
    indexer_down: bool = _off("The indexer alone fails with UNAVAILABLE.")
    indexer_lag: bool = _off(
        "The indexer answers and knows nothing of what happens; switched off, it takes in what it missed."
    )
    pruned: bool = _off("The node keeps no past states: what was at an earlier height cannot be asked for.")
    cross_margin: bool = _off(
        "Every subaccount says that it is in cross-margin mode, which core v1.20 knows and this engine does not."
    )
    silent_stream: bool = _off(
        "Streams stay open and say nothing more: what a half-open connection looks like."
    )
    stream_refused: bool = _off("New streams fail with UNAVAILABLE.")
    lost_ack: bool = _off(
        "A transaction is accepted into the mempool, and the broadcast answered with UNAVAILABLE."
    )
    mempool_drop: bool = _off("A transaction passes check-tx and is never included.")
    sequence_mismatch: bool = _off(
        "Check-tx and simulation answer with sdk 32, as a node that lags behind its mempool does."
    )
    included_but_failed: bool = _off(
        "Transactions pass check-tx, are included, and fail there with sdk 11 (out of gas)."
    )
    expired_grant: bool = _off("Every authz grant counts as expired.")
    low_gas: bool = _off("The node demands a thousandfold of the base fee it states: sdk 13.")
    gas_spike: bool = _off("The base fee is a hundred times the usual, and stated so.")
    post_only_mode: bool = _off("The exchange takes orders that rest, no others: as after an upgrade.")
    halt: bool = _off("No block is made. Afterwards one funding interval is settled per block.")
    lag_blocks: int = _none("The node states the height, time and stream of this many blocks ago.")

    @property
    def gas_factor(self) -> Decimal:
        """What the base fee is multiplied by."""
        return Decimal(100) if self.gas_spike else Decimal(1)

    def switch(self, name: str, value: bool | int) -> None:
        """Set a switch by name. Raises ConfigError for a name that there is not."""
        kinds = {field.name: field.type for field in dataclasses.fields(self)}
        if name not in kinds:
            raise ConfigError(f"there is no fault {name!r}; there are {', '.join(kinds)}")
        setattr(self, name, int(value) if name == "lag_blocks" else bool(value))

    def as_dict(self) -> dict[str, bool | int]:
        """Return every switch."""
        return dataclasses.asdict(self)

    @classmethod
    def explained(cls) -> dict[str, str]:
        """Return what each switch does, in a line."""
        return {one.name: str(one.metadata["what"]) for one in dataclasses.fields(cls)}
