"""The paper venue on a live source: prints arrive some time after they were due."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from hedged.adapters.paper import LATE_MS, PaperVenue
from hedged.domain.bars import Observation
from hedged.domain.clock import HOUR_MS
from hedged.domain.funding import FundingRate, Settlement
from hedged.domain.market import INJECTIVE, Market, SeriesKey
from hedged.domain.quarantine import Doubted

START_MS = 490_000 * HOUR_MS
BTC = SeriesKey(INJECTIVE, "BTC")


def printed(hours: int) -> Settlement:
    rate = FundingRate(INJECTIVE, Decimal("0.0001"), Decimal(1))
    return Settlement(BTC, START_MS + hours * HOUR_MS, rate, Decimal(100))


class Live:
    """A source that knows only what the test says it has heard by now, and its clock."""

    venue = INJECTIVE
    slice_s = 1.0

    def __init__(self) -> None:
        self.heard: list[Settlement] = []
        self.ms = START_MS

    def now_ms(self) -> int:
        return self.ms

    async def markets(self) -> Mapping[str, Market]:
        return {}

    async def observe(self, now_ms: int) -> Sequence[Observation]:
        return ()

    async def history(self, times_ms: Sequence[int]) -> Sequence[Sequence[Observation]]:
        return [() for _ in times_ms]

    async def settlements(self, since_ms: int, until_ms: int) -> Sequence[Settlement]:
        return [s for s in self.heard if since_ms < s.ts_ms <= until_ms]


def test_a_print_that_comes_late_is_paid_once_and_in_its_place() -> None:
    """If this fails, a live venue's funding is lost in paper mode: its block comes a second after the hour."""

    async def main() -> None:
        live = Live()
        venue = PaperVenue(live, live, Decimal(0), 0)
        venue.seed("BTC", Decimal(2), Decimal(100), START_MS + 1)
        live.ms = START_MS + HOUR_MS  # a cycle at the very hour: the print is not out yet
        assert list(await venue.funding_payments(0)) == []
        live.ms += HOUR_MS
        live.heard = [printed(2)]
        assert [p.settlement for p in await venue.funding_payments(0)] == [printed(2)]
        live.heard = [printed(1), printed(2)]
        for _ in range(2):
            payments = await venue.funding_payments(0)
            assert [p.settlement for p in payments] == [printed(1), printed(2)]
        assert {p.payment_usd for p in payments} == {Decimal("-0.02")}

    asyncio.run(main())


def test_what_is_later_than_all_patience_is_not_paid_any_more() -> None:
    """If this fails, every print of the past is asked for in every cycle."""

    async def main() -> None:
        live = Live()
        venue = PaperVenue(live, live, Decimal(0), 0)
        venue.seed("BTC", Decimal(2), Decimal(100), START_MS + 1)
        live.ms = START_MS + HOUR_MS + LATE_MS
        assert list(await venue.funding_payments(0)) == []
        live.heard = [printed(1)]
        assert list(await venue.funding_payments(0)) == []

    asyncio.run(main())


def test_funding_is_paid_at_a_price_that_is_believed() -> None:
    """If this fails, a wrong unit of a venue's price makes a fortune of a payment, and stops the hedge for it."""

    async def main() -> None:
        live = Live()
        doubted: Doubted = {BTC: Decimal(90)}
        venue = PaperVenue(live, live, Decimal(0), 0, doubted)
        venue.seed("BTC", Decimal(2), Decimal(100), START_MS + 1)
        live.ms = START_MS + HOUR_MS
        live.heard = [replace(printed(1), price=Decimal(100_000))]
        (paid,) = await venue.funding_payments(0)
        assert paid.payment_usd == Decimal("-0.0180")
        doubted.clear()
        live.ms += HOUR_MS
        live.heard.append(printed(2))
        assert (await venue.funding_payments(0))[-1].payment_usd == Decimal("-0.02")

    asyncio.run(main())
