"""The approved intent: the only thing that a venue adapter accepts, and only the risk gate can make one."""

from dataclasses import dataclass

from hedged.domain.orders import Intent


class GateSeal:
    """Proof that the risk gate has looked. Made in `hedged.risk.gate` alone; the linter bans it elsewhere."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ApprovedIntent:
    """An intent that passed every rule of the risk gate, with the client id that it will be sent under."""

    intent: Intent
    client_id: str
    seal: GateSeal

    def __post_init__(self) -> None:
        if not isinstance(self.seal, GateSeal):
            raise TypeError("only the risk gate approves an intent")
