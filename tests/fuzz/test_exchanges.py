"""What an exchange answers to ccxt, wrong in every way: whoever asked is told to ask again, or to look it up.

The sound answers come from the local exchanges; they are spoilt between the wire and ccxt.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from cex_rig import OTHER, Rig, rig
from hostile import bodies, fuzz
from hypothesis import given
from hypothesis import strategies as st

from hedged.adapters.cex.trading import Patience
from hedged.domain.bars import N_FIELDS
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.errors import HedgedError, OutcomeUnknown, Rejected, Retryable
from hedged.domain.orders import OrderState

VENUES = ("binance", "bybit", "okx", OTHER)
Answer = tuple[int, dict[str, str], str]


@dataclass
class Between:
    """Stands between an exchange and ccxt. `told`: sound answers; `spoil`: what becomes of one."""

    told: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    spoil: Callable[[str, Answer], Answer] | None = None
    posted: list[str] = field(default_factory=list)

    def over(self, exchange: Any) -> None:
        """Take the exchange's place: remember its answers while nothing is spoilt, give them again after."""
        heard, sent = exchange.on_rest_response, exchange.fetch
        exchange.enableRateLimit = False

        def hear(code: int, reason: str, url: str, method: str, headers: Any, body: str, *rest: Any) -> str:
            self.told.setdefault(_question(url, method), (code, dict(headers), body))
            return str(heard(code, reason, url, method, headers, body, *rest))

        async def fetch(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
            self.asked.append(_question(url, method))
            if self.spoil is None:
                return await sent(url, method, headers, body)
            question = _question(url, method)
            if method != "GET":
                self.posted.append(question)
            sound = self.told.get(question, (404, {}, '{"code": 0, "msg": "no"}'))
            code, told, text = self.spoil(question, sound)
            text = heard(code, "", url, method, told, text, headers, body)
            answer = exchange.parse_json(text)
            exchange.handle_errors(code, "", url, method, told, text, answer, headers, body)
            exchange.handle_http_status_code(code, "", url, method, text)
            return text if answer is None else answer

        exchange.on_rest_response, exchange.fetch = hear, fetch


def _question(url: str, method: str) -> str:
    return f"{method} {url.partition('?')[0].partition('://')[2]}"


@dataclass
class Stage:
    """One exchange, asked everything once."""

    on: Rig
    runner: asyncio.Runner
    between: Between
    questions: dict[str, list[str]]
    perpetuals: dict[str, Any]

    def ask(self, what: Callable[[Rig], Awaitable[Any]]) -> Any:
        self.on.data.perpetuals = self.perpetuals

        async def asked() -> Any:
            async with asyncio.timeout(LONGEST_S):
                return await what(self.on)

        return self.runner.run(asked())


async def _everything(on: Rig, between: Between) -> dict[str, list[str]]:
    """Ask everything; return by which questions each is answered."""
    on.hold("0.4")
    found = {}
    for what, ask in {**READS, ORDER: _order}.items():
        between.asked = []
        await ask(on)
        found[what] = sorted(set(between.asked))
        assert found[what], what
    return found


ORDER = "order"
LONGEST_S = 5.0


async def _order(on: Rig) -> None:
    done = await on.trading.place(on.order("0.1"))
    await on.trading.lookup(done.client_id)


READS: dict[str, Callable[[Rig], Awaitable[Any]]] = {
    "markets": lambda on: _relisted(on),
    "snapshot": lambda on: on.data.snapshot(),
    "details": lambda on: on.data.details(),
    "past": lambda on: _past(on),
    "positions": lambda on: on.trading.positions(),
    "balance": lambda on: on.trading.balance(),
    "executions": lambda on: on.trading.executions(on.clock.now_ms() - HOUR_MS),
    "payments": lambda on: on.trading.funding_payments(on.clock.now_ms() - DAY_MS),
    "open orders": lambda on: on.trading.open_orders(),
    "touch": lambda on: on.data.touch("BTC", -1),
    "lookup": lambda on: on.trading.lookup(on.order("0.1").client_id),
}


async def _relisted(on: Rig) -> Any:
    on.data.listed_ms = 0
    on.data.perpetuals = {}
    await on.data.listed()
    return await on.data.markets()


async def _past(on: Rig) -> Any:
    on.data.pasts.of.clear()
    await on.data.load()
    now_ms = on.clock.now_ms()
    return await on.data.history([now_ms]), await on.data.settlements(now_ms - DAY_MS, now_ms)


@pytest.fixture(scope="module", params=VENUES)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def opened() -> Stage:
            on = await stack.enter_async_context(
                rig(request.param, symbols=("BTC",), patience=Patience(settle_s=1.0, visible_s=0.0))
            )
            between = Between()
            for exchange in (on.data.exchange, *on.trading._instances):
                between.over(exchange)
            asked = await _everything(on, between)
            on.trading.orders._settle_s = 0.01  # what is spoilt stays so: nothing is gained by waiting
            return Stage(on, runner, between, asked, dict(on.data.perpetuals))

        made = runner.run(opened())
        yield made
        made.between.spoil = None
        runner.run(stack.aclose())


def spoils(stage: Stage, what: str) -> Any:
    """Draw which question is answered wrongly, and how."""
    questions = st.sampled_from(stage.questions[what])

    def wrong(question: str) -> Any:
        code, _, text = stage.between.told[question]
        codes = st.sampled_from(
            (code, code, code, code, 200, 204, 400, 401, 403, 404, 418, 429, 451, 500, 503)
        )
        return st.tuples(st.just(question), codes, bodies(json.loads(text)))

    return st.lists(questions.flatmap(wrong), min_size=1, max_size=3)


def spoil(wrong: list[tuple[str, int, bytes]]) -> Callable[[str, Answer], Answer]:
    by_question = {question: (code, raw) for question, code, raw in wrong}

    def spoilt(question: str, sound: Answer) -> Answer:
        if question not in by_question:
            return sound
        code, raw = by_question[question]
        return code, sound[1], raw.decode("utf-8", errors="replace")

    return spoilt


def test_a_wrong_answer_to_a_question_is_a_reason_to_ask_again(stage: Stage) -> None:
    """If this fails, an exchange ends a task of the daemon by what it answers, or has it trade because of it."""

    @fuzz
    @given(st.sampled_from(sorted(READS)).flatmap(lambda what: st.tuples(st.just(what), spoils(stage, what))))
    def asked(drawn: tuple[str, list[tuple[str, int, bytes]]]) -> None:
        what, wrong = drawn
        stage.between.spoil, stage.between.posted = spoil(wrong), []
        try:
            stage.ask(READS[what])
        except HedgedError as error:
            # an order whose market is not known cannot be looked up either
            assert isinstance(error, Retryable | OutcomeUnknown), f"{type(error).__name__}: {error}"
        finally:
            stage.between.spoil = None
        assert not [one for one in stage.between.posted if "order" in one.lower() and "GET" not in one]
        _sane(stage)

    asked()


def _sane(stage: Stage) -> None:
    """What is on the board can be told, and is no more than a number or unknown."""
    on = stage.on
    for symbol in on.data.symbols:
        seen = on.data.board.observation(symbol, on.clock.now_ms())
        assert len(seen.values) == N_FIELDS
        assert not [value for value in seen.values.tolist() if abs(value) >= 1e18]
        on.data._market(symbol)


def test_a_wrong_answer_to_an_order_is_never_taken_for_certain(stage: Stage) -> None:
    """If this fails, an order is sent again, or counted as filled or refused, on the word of an answer that is none."""

    @fuzz
    @given(spoils(stage, ORDER), st.booleans())
    def sent(wrong: list[tuple[str, int, bytes]], buys: bool) -> None:
        stage.between.spoil, stage.between.posted = spoil(wrong), []
        order = stage.on.order("0.1" if buys else "-0.1")
        try:
            state = stage.ask(lambda on: on.trading.place(order))
        except (Retryable, Rejected, OutcomeUnknown):
            state = None
        finally:
            stage.between.spoil = None
        sends = [one for one in stage.between.posted if one.endswith(SENDS[stage.on.served])]
        assert len(sends) <= 1
        if isinstance(state, OrderState):
            assert state.client_id == order.client_id
            assert Decimal(0) <= state.filled <= order.intent.quantity

    sent()


SENDS = {
    "binance": "/fapi/v1/order",
    "bybit": "/v5/order/create",
    "okx": "/api/v5/trade/order",
    "gate": "/futures/usdt/orders",
}
