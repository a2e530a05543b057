"""Who owns what: bank balances and subaccount deposits, both in a coin's smallest unit.

Subaccount 0 trades out of its owner's bank balance: a hold is taken from the bank, whatever comes back goes there.
Other subaccounts must have deposits. A deposit's `total` counts what open orders hold, `available` does not.
"""

from collections import defaultdict
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, Decimal

from hedged.sandbox.injective import codes
from hedged.sandbox.injective.wire import is_default, owner_of

INJ = "inj"
USDT = "peggy0xdAC17F958D2ee523a2206206994597C13D831ec7"
INJ_DECIMALS = 18
USDT_DECIMALS = 6


@dataclass(slots=True)
class Deposit:
    """A subaccount's balance of one coin, smallest units."""

    available: Decimal = Decimal(0)
    total: Decimal = Decimal(0)


class Ledger:
    """Balances. Amounts handed in are human USDT (scaled here) unless a name says `units`."""

    def __init__(self) -> None:
        self.bank: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.deposits: dict[str, Deposit] = defaultdict(Deposit)
        """USDT by subaccount; nothing else is traded here."""
        self.touched_accounts: set[str] = set()
        self.touched_subaccounts: set[str] = set()

    def credit_bank(self, address: str, denom: str, units: int) -> None:
        """Add to (or take from) a bank balance; the caller has checked it."""
        self.bank[address][denom] += units
        self.touched_accounts.add(address)

    def spendable(self, subaccount_id: str) -> Decimal:
        """Return what the subaccount could put into an order now, USDT."""
        units = self.deposits[subaccount_id].available if subaccount_id in self.deposits else Decimal(0)
        if is_default(subaccount_id):
            units += self.bank[owner_of(subaccount_id)][USDT]
        return units.scaleb(-USDT_DECIMALS)

    def hold(self, subaccount_id: str, usdt: Decimal) -> None:
        """Reserve money for an order. Raises ChainError 95 (subaccount 0) or 6 (others) when there is too little."""
        units = usdt.scaleb(USDT_DECIMALS)
        deposit = self.deposits[subaccount_id]
        if is_default(subaccount_id):
            self._draw_from_bank(subaccount_id, units - deposit.available)
        elif deposit.available < units:
            raise codes.exchange(
                codes.INSUFFICIENT_DEPOSIT,
                f"Deposits Exceeded (available: {deposit.available:f}, required: {units:f}): "
                "subaccount has insufficient deposits",
            )
        deposit.available -= units
        self.touched_subaccounts.add(subaccount_id)

    def release(self, subaccount_id: str, usdt: Decimal) -> None:
        """Give back what an order held and did not use."""
        self.deposits[subaccount_id].available += usdt.scaleb(USDT_DECIMALS)
        self._sweep(subaccount_id)

    def spend(self, subaccount_id: str, usdt: Decimal) -> None:
        """Let held money go for good: into a position or as a fee."""
        self.deposits[subaccount_id].total -= usdt.scaleb(USDT_DECIMALS)
        self.touched_subaccounts.add(subaccount_id)

    def pay(self, subaccount_id: str, usdt: Decimal) -> None:
        """Credit a payout or rebate (or debit a loss) that no order held."""
        units = usdt.scaleb(USDT_DECIMALS)
        deposit = self.deposits[subaccount_id]
        deposit.available += units
        deposit.total += units
        self._sweep(subaccount_id)

    def _draw_from_bank(self, subaccount_id: str, missing: Decimal) -> None:
        needed = int(missing.to_integral_value(ROUND_CEILING))
        if needed <= 0:
            return
        owner = owner_of(subaccount_id)
        have = self.bank[owner][USDT]
        if have < needed:
            raise codes.exchange(
                codes.INSUFFICIENT_BANK_FUNDS,
                f"{have}{USDT} is smaller than {needed}{USDT}: insufficient funds",
            )
        self.credit_bank(owner, USDT, -needed)
        deposit = self.deposits[subaccount_id]
        deposit.available += needed
        deposit.total += needed

    def _sweep(self, subaccount_id: str) -> None:
        """Send the whole units that subaccount 0 has available to its owner's bank balance, or draw what it lacks.

        It may lack a little: a sell filled above its limit pays its fee on the better price, the hold was reckoned on
        the limit. Other subaccounts go below zero then, as on the chain.
        """
        self.touched_subaccounts.add(subaccount_id)
        if not is_default(subaccount_id):
            return
        deposit = self.deposits[subaccount_id]
        if deposit.available < 0:
            lacking = -deposit.available
            if self.bank[owner_of(subaccount_id)][USDT] >= lacking + 1:
                self._draw_from_bank(subaccount_id, lacking)
            return
        whole = int(deposit.available.to_integral_value(ROUND_DOWN))
        if whole > 0:
            deposit.available -= whole
            deposit.total -= whole
            self.credit_bank(owner_of(subaccount_id), USDT, whole)
