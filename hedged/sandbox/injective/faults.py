"""What can go wrong, switchable while the sandbox runs. Every fault is off until it is switched on."""

import dataclasses
from dataclasses import dataclass
from decimal import Decimal

from hedged.domain.errors import ConfigError


@dataclass(slots=True)
class Faults:
    """Switches. Those of the node act on chain gRPC, indexer gRPC and HTTP alike unless a name says otherwise."""

    silent_rpc: bool = False
    """Requests are accepted and never answered; switched off, the waiting ones get their answer."""
    unavailable: bool = False
    """Every request fails at once: gRPC UNAVAILABLE, HTTP 503."""
    rate_limited: bool = False
    """Every request fails with RESOURCE_EXHAUSTED, HTTP 429."""
    indexer_down: bool = False
    """The indexer alone fails with UNAVAILABLE."""
    indexer_lag: bool = False
    """The indexer answers and knows nothing of what happens; switched off, it takes in what it missed."""
    pruned: bool = False
    """The node keeps no past states: what was at an earlier height cannot be asked for."""
    cross_margin: bool = False
    """Every subaccount says that it is in cross-margin mode, which core v1.20 knows and this engine does not."""
    silent_stream: bool = False
    """Streams stay open and say nothing more: what a half-open connection looks like."""
    stream_refused: bool = False
    """New streams fail with UNAVAILABLE."""
    lost_ack: bool = False
    """A transaction is accepted into the mempool, and the broadcast answered with UNAVAILABLE."""
    mempool_drop: bool = False
    """A transaction passes check-tx and is never included."""
    sequence_mismatch: bool = False
    """Check-tx and simulation answer with sdk 32, as a node that lags behind its mempool does."""
    included_but_failed: bool = False
    """Transactions pass check-tx, are included, and fail there with sdk 11 (out of gas)."""
    expired_grant: bool = False
    """Every authz grant counts as expired."""
    low_gas: bool = False
    """The node demands a thousandfold of the base fee it states: sdk 13."""
    gas_spike: bool = False
    """The base fee is a hundred times the usual, and stated so."""
    post_only_mode: bool = False
    """The exchange takes orders that rest, no others: as after an upgrade."""
    halt: bool = False
    """No block is made. Afterwards one funding interval is settled per block."""
    lag_blocks: int = 0
    """The node states the height, time and stream of this many blocks ago."""

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
