"""The approved intent: the only thing that a venue adapter accepts, and only the risk gate can make one."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Self

from hedged.domain.orders import Intent, attempt_id


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

    def attempt(self, number: int, quantity: Decimal, price: Decimal) -> Self:
        """Return one order of this intent: its part `quantity`, at `price` or better, under an id of its own.

        Call it on what the gate made, whose id is the first order's (number 0). What was approved is never exceeded.
        Raises ValueError for more coins than approved, or a price worse than the worst.
        """
        intent = self.intent
        if not 0 < quantity <= intent.quantity:
            raise ValueError(f"{intent.key}: {quantity} of {intent.quantity} coins approved")
        if (price - intent.worst_price) * intent.side.sign > 0:
            raise ValueError(f"{intent.key}: {price} is worse than the approved {intent.worst_price}")
        order = replace(intent, quantity=quantity, worst_price=price)
        return replace(self, intent=order, client_id=attempt_id(self.client_id, number))
