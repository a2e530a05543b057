"""What became of an account at a paper venue: its money from beginning to end, and what was done to it by force."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from hedged.domain.orders import Execution


class Why(StrEnum):
    """Why a venue closed a position by itself."""

    LIQUIDATION = "liquidation"
    DELISTING = "delisting"


def is_forced(execution: Execution) -> bool:
    """Tell whether a paper venue made an execution by itself."""
    return execution.client_id is None and execution.execution_id.endswith(tuple(f"-{why}" for why in Why))


@dataclass(frozen=True, slots=True)
class Forced:
    """A position that the venue closed. `execution.fee_usd` = `penalty_usd` − `insured_usd`, both ≥ 0: what it took,
    and what the account could not pay.
    """

    execution: Execution
    why: Why
    penalty_usd: Decimal
    insured_usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """Money at one venue over a run, USD: end = begin + realised − fees − penalties + insured + funding + added.

    `fees_usd`: of the account's own orders; `added_usd`: by the trader, to meet margin calls; `lowest_free_usd` and
    when it was; `unrealised_usd` at the end stands beside the cash.
    """

    begin_usd: Decimal
    end_usd: Decimal
    realised_usd: Decimal
    fees_usd: Decimal
    funding_usd: Decimal
    added_usd: Decimal
    unrealised_usd: Decimal
    lowest_free_usd: Decimal
    lowest_free_ms: int
    forced: tuple[Forced, ...] = ()

    @property
    def penalties_usd(self) -> Decimal:
        """What forced closings took."""
        return sum((one.penalty_usd for one in self.forced), Decimal(0))

    @property
    def insured_usd(self) -> Decimal:
        """What the venue's insurance had to pay."""
        return sum((one.insured_usd for one in self.forced), Decimal(0))
