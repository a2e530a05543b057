"""Funding scenarios with answers worked out by hand, for every engine of docs/funding-conformance.md.

Standard library alone: each engine reads this file in its own environment. Minutes count from START, 00:00 UTC. Prices
are minute bars; quantities are coins; one contract is one coin; nobody charges a fee. A print is what the venue states
at that minute: the rate for its whole interval. Whoever held the market strictly before that instant pays or receives
`−coins × rate × mark`, once: a positive rate means that longs pay. USD received are positive.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

START = datetime(2024, 3, 1, tzinfo=UTC)
START_S = int(START.timestamp())
SYMBOL = "XYZ"


class Print(NamedTuple):
    """A settlement: when, the rate of the whole interval, and the interval."""

    minute: int
    rate: str
    hours: int


class Announced(NamedTuple):
    """What the venue told of a coming settlement, and when: not a print, and perhaps never one."""

    minute: int
    coming: Print


class Trade(NamedTuple):
    """A fill at the market: when, and by how many coins the position changes."""

    minute: int
    coins: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """`prices`: (from minute, USD), until the next; bars are recorded to `bars_end`, and the run goes on to `end`.

    `usd`: the funding that a long or short must have had by then. `by_hand`: how it comes about.
    """

    name: str
    title: str
    trades: tuple[Trade, ...]
    prints: tuple[Print, ...]
    usd: str
    by_hand: str
    prices: tuple[tuple[int, str], ...] = ((0, "100"),)
    end: int = 16 * 60
    bars_end: int | None = None
    announced: tuple[Announced, ...] = ()

    @property
    def recorded_minutes(self) -> int:
        return self.end if self.bars_end is None else self.bars_end

    def price(self, minute: int) -> str:
        """Return the price from this minute on."""
        return [usd for since, usd in self.prices if since <= minute][-1]


def price_profit(scenario: Scenario) -> Decimal:
    """Return what trades and the last price alone make, USD: what an engine has beyond it is funding."""
    coins = cash = Decimal(0)
    for trade in scenario.trades:
        coins += Decimal(trade.coins)
        cash -= Decimal(trade.coins) * Decimal(scenario.price(trade.minute))
    return cash + coins * Decimal(scenario.price(scenario.recorded_minutes))


def at(clock: str) -> int:
    """Return the minute of `HH:MM` after START; hours may exceed 24."""
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def eight_hourly(rate: str, *clocks: str) -> tuple[Print, ...]:
    return tuple(Print(at(clock), rate, 8) for clock in clocks)


def held(*changes: tuple[str, str]) -> tuple[Trade, ...]:
    return tuple(Trade(at(clock), coins) for clock, coins in changes)


ONE = eight_hourly("0.0001", "08:00")
TWO = eight_hourly("0.0001", "08:00", "16:00")

SCENARIOS = (
    Scenario(
        "flat_price_credit",
        "flat price: the credit alone is the profit",
        held(("04:00", "-10"), ("20:00", "10")),
        TWO,
        "0.20",
        "short 10 × 100 USD over two prints of 0.0001: 2 × 0.10",
        end=at("24:00"),
    ),
    Scenario(
        "price_moves",
        "the price moves: paid on the mark at the settlement",
        held(("04:00", "-10"), ("12:00", "10")),
        ONE,
        "0.11",
        "opened at 100, mark 110 since 06:00: 10 × 110 × 0.0001",
        prices=((0, "100"), (at("06:00"), "110")),
    ),
    Scenario(
        "long_pays",
        "sign: a long pays a positive rate",
        held(("04:00", "10"), ("12:00", "-10")),
        ONE,
        "-0.10",
        "long 10 × 100 × 0.0001, paid",
    ),
    Scenario(
        "long_receives",
        "sign: a long receives a negative rate",
        held(("04:00", "10"), ("12:00", "-10")),
        eight_hourly("-0.0001", "08:00"),
        "0.10",
        "long 10 × 100 × −0.0001, so received",
    ),
    Scenario(
        "short_pays",
        "sign: a short pays a negative rate",
        held(("04:00", "-10"), ("12:00", "10")),
        eight_hourly("-0.0001", "08:00"),
        "-0.10",
        "short 10 × 100 × −0.0001, so paid",
    ),
    Scenario(
        "entry_before",
        "entry a minute before the settlement",
        held(("07:59", "-10"), ("12:00", "10")),
        ONE,
        "0.10",
        "held strictly before 08:00: 10 × 100 × 0.0001",
    ),
    Scenario(
        "entry_at",
        "entry exactly at the settlement",
        held(("08:00", "-10"), ("12:00", "10")),
        ONE,
        "0",
        "nothing was held strictly before 08:00",
    ),
    Scenario(
        "exit_before",
        "exit a minute before the settlement",
        held(("04:00", "-10"), ("07:59", "10")),
        ONE,
        "0",
        "nothing was held any more just before 08:00",
    ),
    Scenario(
        "exit_at",
        "exit exactly at the settlement",
        held(("04:00", "-10"), ("08:00", "10")),
        ONE,
        "0.10",
        "held strictly before 08:00: 10 × 100 × 0.0001",
    ),
    Scenario(
        "exit_after",
        "exit a minute after the settlement",
        held(("04:00", "-10"), ("08:01", "10")),
        ONE,
        "0.10",
        "held over 08:00: 10 × 100 × 0.0001",
    ),
    Scenario(
        "between",
        "in and out between two settlements",
        held(("09:00", "-10"), ("15:00", "10")),
        TWO,
        "0",
        "nothing was held at 08:00 nor at 16:00: funding does not accrue by the hour",
        end=at("24:00"),
    ),
    Scenario(
        "interval_change",
        "the interval changes from 8 h to 1 h",
        held(("04:00", "10"), ("11:30", "-10")),
        (
            Print(at("08:00"), "0.0008", 8),
            *(Print(at(clock), "0.0001", 1) for clock in ("09:00", "10:00", "11:00", "12:00")),
        ),
        "-1.10",
        "long 10 × 100: 0.0008 at 08:00, then 0.0001 at 09:00, 10:00 and 11:00: 0.80 + 3 × 0.10",
        end=at("13:00"),
    ),
    Scenario(
        "at_the_cap",
        "the rate stands at its cap",
        held(("00:30", "10"), ("03:30", "-10")),
        tuple(Print(at(clock), "0.000625", 1) for clock in ("01:00", "02:00", "03:00")),
        "-1.875",
        "long 10 × 100 × 0.000625, Injective's cap by the hour, three times",
        end=at("04:00"),
    ),
    Scenario(
        "adding",
        "adding within an interval",
        held(("01:00", "10"), ("05:00", "10"), ("20:00", "-20")),
        TWO,
        "-0.40",
        "20 held just before 08:00 and 16:00: 2 × 20 × 100 × 0.0001, whenever they were bought",
        end=at("24:00"),
    ),
    Scenario(
        "partial_close",
        "closing a part within an interval",
        held(("01:00", "20"), ("05:00", "-15"), ("20:00", "-5")),
        TWO,
        "-0.10",
        "5 held just before 08:00 and 16:00: 2 × 5 × 100 × 0.0001",
        end=at("24:00"),
    ),
    Scenario(
        "adding_at",
        "adding exactly at the settlement",
        held(("04:00", "10"), ("08:00", "10"), ("12:00", "-20")),
        ONE,
        "-0.10",
        "10 held strictly before 08:00: 10 × 100 × 0.0001, and what was bought at 08:00 pays nothing",
    ),
    Scenario(
        "partial_close_at",
        "closing a part exactly at the settlement",
        held(("04:00", "20"), ("08:00", "-15"), ("12:00", "-5")),
        ONE,
        "-0.20",
        "20 held strictly before 08:00: 20 × 100 × 0.0001",
    ),
    Scenario(
        "flip",
        "a flip through zero within an interval",
        held(("01:00", "10"), ("05:00", "-25"), ("12:00", "15")),
        ONE,
        "0.15",
        "short 15 just before 08:00: 15 × 100 × 0.0001 received",
    ),
    Scenario(
        "delisting",
        "delisting: the recording ends while it is held",
        held(("04:00", "10")),
        ONE,
        "-0.10",
        "the print of 08:00 was paid, 10 × 100 × 0.0001; bars end at 10:00, and no rate stands after that",
        bars_end=at("10:00"),
        end=2 * 24 * 60,
    ),
    Scenario(
        "delisting_announced",
        "delisting after the next rate was announced",
        held(("04:00", "10")),
        ONE,
        "-0.10",
        "as before: the 0.0001 announced at 08:01 for 16:00 was never settled, as the market ended at 10:00",
        bars_end=at("10:00"),
        end=2 * 24 * 60,
        announced=(Announced(at("08:01"), Print(at("16:00"), "0.0001", 8)),),
    ),
    Scenario(
        "missing_print",
        "a print is missing from the recording",
        held(("04:00", "-10"), ("28:00", "10")),
        eight_hourly("0.0001", "08:00", "24:00"),
        "0.20",
        "08:00 and 24:00 are paid, 2 × 0.10; what the lost one of 16:00 said is not known, so nothing is made up",
        end=32 * 60,
    ),
)
