"""Gas, grants, result codes and responses: the small rules that trading on the chain leans on."""

import asyncio
from decimal import Decimal

import pytest
from google.protobuf import any_pb2
from pyinjective.composer_v2 import Composer
from pyinjective.proto.cosmos.authz.v1beta1 import authz_pb2
from pyinjective.proto.cosmos.authz.v1beta1 import tx_pb2 as authz_tx
from pyinjective.proto.cosmos.base.abci.v1beta1 import abci_pb2
from pyinjective.proto.injective.exchange.v2 import authz_pb2 as exchange_authz
from pyinjective.proto.injective.exchange.v2 import tx_pb2 as exchange_tx

from hedged.adapters.injective.chain import AccountPoint, Head, TxResult
from hedged.adapters.injective.codes import explain, refusal
from hedged.adapters.injective.gas import heuristic_limit
from hedged.adapters.injective.grants import judge, read_grant
from hedged.adapters.injective.heights import FRESH_S, LEAST_BLOCKS, Heights
from hedged.adapters.injective.messages import (
    BATCH_UPDATE,
    MARKET_ORDER,
    TRADING_MESSAGES,
    Kind,
    Messages,
    Ticket,
    Trader,
)
from hedged.adapters.injective.responses import failed_orders
from hedged.adapters.injective.sequencer import Sequencer
from hedged.backtest.virtual_time import run_virtually
from hedged.domain.clock import DAY_MS, LoopClock
from hedged.domain.errors import Rejected, Retryable
from hedged.domain.orders import Side

NOW_MS = 1_750_000_000_000
MARKET_ID = "0x" + "9b" * 32
OTHER_ID = "0x" + "17" * 32
SUBACCOUNT = "0x" + "ab" * 20 + "0" * 24
TAKER = Ticket(MARKET_ID, Kind.MARKET, Side.BUY, Decimal(1), Decimal(100), Decimal(30), "taker")
OWN = Messages(Composer("mainnet"), Trader("inj1trader", SUBACCOUNT))
GRANTED = Messages(Composer("mainnet"), Trader("inj1trader", SUBACCOUNT, "inj1grantee"))


# --- gas --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("messages", [OWN, GRANTED], ids=["own key", "grantee"])
def test_market_orders_of_a_batch_cost_gas(messages: Messages) -> None:
    """If this fails, batches run out of gas: injective-py 1.16 reckons nothing for the market orders in them."""
    empty = heuristic_limit(messages.signed_by_grantee([messages.batch([])]))
    full = heuristic_limit(messages.signed_by_grantee([messages.batch([TAKER, TAKER])]))
    single = heuristic_limit([OWN.create(TAKER)]) - heuristic_limit([])
    assert full - empty == 2 * single > 0


# --- grants -----------------------------------------------------------------------------------------------------------


def packed(authorization, expires_s: int | None = None):
    grant = authz_pb2.Grant()
    grant.authorization.Pack(authorization, type_url_prefix="")
    if expires_s is not None:
        grant.expiration.seconds = expires_s
    return read_grant(grant)


def generic(message: str, expires_s: int | None = None):
    return packed(authz_pb2.GenericAuthorization(msg=message), expires_s)


def test_exactly_the_trading_messages_leave_nothing_to_say() -> None:
    """If this fails, the setup that the documentation recommends is complained about."""
    findings = judge([generic(m) for m in TRADING_MESSAGES], SUBACCOUNT, [MARKET_ID], NOW_MS)
    assert (findings.faults, findings.warnings, findings.expires_ms) == ((), (), None)


@pytest.mark.parametrize("lacking", TRADING_MESSAGES)
def test_one_message_that_is_not_granted_forbids_the_start(lacking: str) -> None:
    """If this fails, a key can open what it cannot close."""
    grants = [generic(m) for m in TRADING_MESSAGES if m != lacking]
    assert judge(grants, SUBACCOUNT, [], NOW_MS).faults == (f"{lacking} is not granted",)


@pytest.mark.parametrize(
    ("left_days", "faults", "warnings"), [(-1, 1, 0), (0, 1, 0), (13.9, 0, 1), (14.1, 0, 0)]
)
def test_expiry_is_refused_when_over_and_warned_of_two_weeks_before(left_days, faults, warnings) -> None:
    """If this fails, trading ends on the day a grant does, unannounced."""
    expires_s = int(NOW_MS + left_days * DAY_MS) // 1_000
    grants = [generic(m) for m in TRADING_MESSAGES if m != MARKET_ORDER] + [generic(MARKET_ORDER, expires_s)]
    findings = judge(grants, SUBACCOUNT, [], NOW_MS)
    assert (len(findings.faults), len(findings.warnings)) == (faults, warnings)
    assert findings.expires_ms == (None if faults else expires_s * 1_000)


def test_typed_grants_count_for_their_subaccount_and_markets_alone() -> None:
    """If this fails, a grant for one market passes for a grant for all, and orders fail on the chain."""
    typed = [
        exchange_authz.CreateDerivativeMarketOrderAuthz(subaccount_id=SUBACCOUNT, market_ids=[MARKET_ID]),
        exchange_authz.CreateDerivativeLimitOrderAuthz(subaccount_id=SUBACCOUNT, market_ids=[MARKET_ID]),
        exchange_authz.CancelDerivativeOrderAuthz(subaccount_id=SUBACCOUNT, market_ids=[MARKET_ID]),
        exchange_authz.BatchUpdateOrdersAuthz(subaccount_id=SUBACCOUNT, derivative_markets=[MARKET_ID]),
    ]
    grants = [packed(one) for one in typed]
    assert judge(grants, SUBACCOUNT.upper().replace("X", "x"), [MARKET_ID], NOW_MS).faults == ()
    assert len(judge(grants, SUBACCOUNT, [MARKET_ID, OTHER_ID], NOW_MS).faults) == 4
    assert len(judge(grants, SUBACCOUNT[:-1] + "1", [MARKET_ID], NOW_MS).faults) == 4
    assert {g.message for g in grants} == set(TRADING_MESSAGES)


@pytest.mark.parametrize(
    "more",
    [
        authz_pb2.GenericAuthorization(msg="/cosmos.bank.v1beta1.MsgSend"),
        authz_pb2.GenericAuthorization(msg="/injective.exchange.v1beta1.MsgWithdraw"),
        authz_pb2.GenericAuthorization(msg="/cosmos.authz.v1beta1.MsgGrant"),
        exchange_authz.GenericExchangeAuthorization(msg="/injective.exchange.v2.MsgWithdraw"),
    ],
)
def test_whatever_else_is_granted_is_named_loudly(more) -> None:
    """If this fails, a key that can move money away passes for one that can only trade."""
    findings = judge([*(generic(m) for m in TRADING_MESSAGES), packed(more)], SUBACCOUNT, [], NOW_MS)
    assert findings.faults == ()
    (warning,) = findings.warnings
    assert "CAN DO MORE THAN TRADE" in warning


# --- codes and responses ----------------------------------------------------------------------------------------------


def test_every_refusal_is_a_sentence_that_quotes_code_and_chain() -> None:
    """If this fails, an operator has to look numbers up."""
    said = explain("exchange", 96, "failed to execute message")
    assert "post-only mode" in said
    assert "another venue" in said
    assert said.endswith("(exchange 96; the chain says: failed to execute message)")
    assert explain("wasm", 5, "  odd\n thing ") == "odd thing (wasm 5)"
    assert explain("", 1, "") == "no reason given (unknown 1)"
    assert isinstance(refusal("exchange", 38, ""), Retryable)
    assert isinstance(refusal("sdk", 20, ""), Retryable)
    assert isinstance(refusal("exchange", 26, ""), Rejected)
    assert isinstance(refusal("authz", 38, ""), Rejected)


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_orders_that_a_batch_did_not_create_are_found_with_their_reason(wrapped: bool) -> None:
    """If this fails, a batch that partly failed counts as done."""
    batch = exchange_tx.MsgBatchUpdateOrdersResponse(
        failed_derivative_orders_cids=["maker"], failed_derivative_market_orders_cids=["taker"],
        created_derivative_orders_cids=["fine"],
    )  # fmt: skip
    single = exchange_tx.MsgCreateDerivativeMarketOrderResponse(order_hash="0x" + "1f" * 32, cid="single")
    answers = [single, batch]
    if wrapped:
        answers = [authz_tx.MsgExecResponse(results=[one.SerializeToString() for one in answers])]
    data = abci_pb2.TxMsgData()
    for answer in answers:
        inner = any_pb2.Any()
        inner.Pack(answer, type_url_prefix="")
        data.msg_responses.append(inner)
    event = abci_pb2.TxResponse().events.add(type="injective.exchange.v2.EventOrderFail")
    event.attributes.add(key="cids", value='["taker"]')
    event.attributes.add(key="flags", value="[26]")
    odd = abci_pb2.TxResponse().events.add(type="injective.exchange.v2.EventOrderFail")
    odd.attributes.add(key="cids", value="not json")
    result = TxResult("AB", 7, "", 0, "", data.SerializeToString(), (event, odd))
    failed = failed_orders(result)
    assert set(failed) == {"maker", "taker"}
    assert "margin is too small" in failed["taker"]
    assert "gave no reason" in failed["maker"]


# --- height and sequence ----------------------------------------------------------------------------------------------


class ScriptedChain:
    """Answers with what the test sets; counts the questions."""

    def __init__(self) -> None:
        self.height, self.ts_ms, self.sequence, self.asked = 100, NOW_MS, 5, 0

    async def head(self) -> Head:
        self.asked += 1
        return Head(self.height, self.ts_ms, "injective-1")

    async def account(self, address: str) -> AccountPoint | None:
        self.asked += 1
        return AccountPoint(7, self.sequence) if self.sequence >= 0 else None


def test_the_streams_height_is_used_while_fresh_and_asked_for_when_the_stream_drops() -> None:
    """If this fails, a dropped stream leaves orders with an old timeout height, or every order costs a question."""

    async def script() -> None:
        chain = ScriptedChain()
        heights = Heights(chain, LoopClock(NOW_MS), 30.0)
        heights.note(120)
        assert (await heights.latest(), chain.asked) == (120, 0)
        await asyncio.sleep(FRESH_S + 0.1)
        chain.height = 124
        assert (await heights.latest(), chain.asked) == (124, 1)
        await asyncio.sleep(FRESH_S + 0.1)
        chain.height = 110  # a node that lags: what was seen before is not forgotten
        assert await heights.latest() == 124
        heights.note(90)
        assert await heights.latest() == 124
        await asyncio.sleep(40)
        with pytest.raises(Retryable, match="halted or the node lags"):
            await heights.latest()

    run_virtually(script)


def test_a_lifetime_is_counted_in_blocks_as_they_come() -> None:
    """If this fails, a resting order outlives the watch that its owner keeps on it, or is refused as expired."""

    async def script() -> None:
        heights = Heights(ScriptedChain(), LoopClock(NOW_MS), 30.0)
        assert heights.blocks(65) == 100
        assert heights.blocks(0) == LEAST_BLOCKS
        for height in range(200, 230, 2):  # seen when asked for, not each
            heights.note(height)
            await asyncio.sleep(1.0)
        assert heights.blocks(60) == 120

    run_virtually(script)


def test_the_sequence_counts_what_was_accepted_and_is_asked_for_after_any_doubt() -> None:
    """If this fails, a sequence is used twice while its transaction waits, or a gap stops all that follow."""

    async def script() -> None:
        chain = ScriptedChain()
        sequencer = Sequencer(chain, "inj1key")
        assert (await sequencer.next()).sequence == 5
        sequencer.accepted(5)
        assert (await sequencer.next()).sequence == 6
        assert chain.asked == 1
        sequencer.doubt()  # the chain still says 5: what it has accepted is in no block yet
        assert (await sequencer.next()).sequence == 6
        sequencer.doubt()
        sequencer.told("account sequence mismatch, expected 9, got 6: incorrect account sequence")
        assert (await sequencer.next()).sequence == 9
        sequencer.lost()
        assert (await sequencer.next()).sequence == 5
        chain.sequence = -1
        sequencer.doubt()
        with pytest.raises(Rejected, match="send it some INJ"):
            await sequencer.next()

    run_virtually(script)


def test_a_batch_update_is_among_what_must_be_granted() -> None:
    """If this fails, the list of needed grants and the messages that are sent have come apart."""
    assert "/" + OWN.batch([]).DESCRIPTOR.full_name == BATCH_UPDATE in TRADING_MESSAGES
