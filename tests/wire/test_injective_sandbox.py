"""The sandbox seen by a plain injective-py client: it reads, signs and trades as on the real chain."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from injective_world import GRANTEE_KEY, address_of, human, world
from pyinjective.proto.cosmos.base.abci.v1beta1 import abci_pb2
from pyinjective.proto.injective.exchange.v2 import query_pb2 as query
from pyinjective.proto.injective.exchange.v2 import tx_pb2 as exchange_tx

from hedged.sandbox.injective.ledger import USDT
from hedged.sandbox.injective.market import TAKER_FEE

MARKET_ORDER = "/injective.exchange.v2.MsgCreateDerivativeMarketOrder"


def run(scenario: Any) -> None:
    asyncio.run(scenario())


def test_markets_carry_human_values_on_the_chain_and_scaled_ones_in_the_indexer() -> None:
    """If this fails, an adapter tested here would read prices off by a power of ten on the real chain."""

    async def scenario() -> None:
        async with world() as w:
            markets = await w.client.fetch_chain_derivative_markets(
                status="Active", with_mid_price_and_tob=True
            )
            inj = next(m for m in markets["markets"] if m["market"]["ticker"] == "INJ/USDT PERP")
            assert human(inj["markPrice"]) == 14
            assert human(inj["market"]["minPriceTickSize"]) == Decimal("0.001")
            assert (
                human(inj["midPriceAndTob"]["bestBuyPrice"])
                < 14
                < human(inj["midPriceAndTob"]["bestSellPrice"])
            )
            info = inj["perpetualInfo"]["marketInfo"]
            assert human(info["hourlyFundingRateCap"]) == Decimal("0.000625")
            assert int(info["fundingInterval"]) == 3_600
            indexed = (await w.indexer.fetch_derivative_market(w.inj))["market"]
            assert indexed["minPriceTickSize"] == "1000"
            assert set(await w.client.all_derivative_markets()) == {
                m["market"]["marketId"] for m in markets["markets"]
            }

    run(scenario)


def test_a_market_order_is_filled_at_the_end_of_its_block_and_told_everywhere() -> None:
    """If this fails, check-tx, delivery, position, indexer history and bank balance no longer tell one story."""

    async def scenario() -> None:
        async with world() as w:
            before = int((await w.client.fetch_bank_balance(w.address, USDT))["balance"]["amount"])
            assert (await w.deliver(w.market_order("BUY", "10", "14.1", cid="first")))["code"] == 0
            position = await w.position()
            assert position is not None
            assert position["isLong"] is True
            assert human(position["quantity"]) == 10
            entry = human(position["entryPrice"])
            assert Decimal("14") < entry < Decimal("14.1")
            history = await w.indexer.fetch_derivative_orders_history(market_ids=[w.inj], cid="first")
            assert [(o["state"], o["filledQuantity"]) for o in history["orders"]] == [("filled", "10")]
            trade = (await w.indexer.fetch_derivative_trades(market_ids=[w.inj], cid="first"))["trades"][0]
            assert Decimal(trade["positionDelta"]["executionPrice"]) == entry.scaleb(6)
            fee = Decimal(trade["fee"]).scaleb(-6)
            assert fee == entry * 10 * TAKER_FEE
            after = int((await w.client.fetch_bank_balance(w.address, USDT))["balance"]["amount"])
            spent = Decimal(before - after).scaleb(-6)
            assert abs(spent - human(position["margin"]) - fee) <= Decimal("0.000001")

    run(scenario)


def test_closing_gives_back_margin_and_profit() -> None:
    """If this fails, a round trip at unchanged prices would cost something other than spread and two fees."""

    async def scenario() -> None:
        async with world() as w:
            await w.deliver(w.market_order("BUY", "10", "14.1"))
            opened = await w.position()
            assert opened is not None
            await w.deliver(w.market_order("SELL", "10", "13.9", margin="0", cid="close"))
            assert await w.position() is None
            trade = (await w.indexer.fetch_derivative_trades(market_ids=[w.inj], cid="close"))["trades"][0]
            exit_price = Decimal(trade["positionDelta"]["executionPrice"]).scaleb(-6)
            entry = human(opened["entryPrice"])
            cost = 10 * (entry - exit_price) + 10 * (entry + exit_price) * TAKER_FEE
            left = Decimal((await w.client.fetch_bank_balance(w.address, USDT))["balance"]["amount"]).scaleb(
                -6
            )
            assert abs(10_000 - left - cost) <= Decimal("0.000003")

    run(scenario)


def test_a_limit_order_rests_holds_money_and_gives_it_back_when_cancelled() -> None:
    """If this fails, resting orders are invisible, or a cancel loses their margin."""

    async def scenario() -> None:
        async with world() as w:
            await w.deliver(w.limit_order("BUY", "10", "13.5", cid="rest"))
            orders = (await w.client.fetch_chain_trader_derivative_orders(w.inj, w.subaccount))["orders"]
            assert [(o["cid"], human(o["fillable"])) for o in orders] == [("rest", 10)]
            held = (await w.client.fetch_subaccount_deposit(w.subaccount, USDT))["deposits"]
            total = human(held["totalBalance"])
            assert abs(total - (135 + 135 * TAKER_FEE).scaleb(6)) <= 1, "chain deposits are in smallest units"
            cancel = w.composer.msg_cancel_derivative_order(
                market_id=w.inj, sender=w.address, subaccount_id=w.subaccount, cid="rest", is_buy=True,
                is_market_order=False, is_conditional=False,
            )  # fmt: skip
            assert (await w.deliver(cancel))["code"] == 0
            assert (await w.client.fetch_chain_trader_derivative_orders(w.inj, w.subaccount))["orders"] == []
            balance = (await w.client.fetch_bank_balance(w.address, USDT))["balance"]["amount"]
            assert balance == "10000000000"
            history = await w.indexer.fetch_derivative_orders_history(market_ids=[w.inj], cid="rest")
            assert history["orders"][0]["state"] == "canceled"
            again = await w.deliver(cancel)
            assert (again["codespace"], again["code"]) == ("exchange", 19), (
                "there is nothing to cancel any more"
            )

    run(scenario)


def test_a_resting_order_is_filled_as_maker_when_the_price_comes_to_it() -> None:
    """If this fails, limit orders could never be rehearsed, or makers would be charged as takers."""

    async def scenario() -> None:
        async with world() as w:
            await w.deliver(w.limit_order("BUY_PO", "10", "13.5", cid="maker"))
            w.sandbox.feed.marks["INJ"] = Decimal("13.4")  # type: ignore[attr-defined]
            await w.sandbox.chain.next_block()
            position = await w.position()
            assert position is not None
            assert human(position["quantity"]) == 10
            assert human(position["entryPrice"]) <= Decimal("13.5")
            trade = (await w.indexer.fetch_derivative_trades(market_ids=[w.inj], cid="maker"))["trades"][0]
            assert trade["executionSide"] == "maker"
            assert Decimal(trade["fee"]) < 0

    run(scenario)


def test_a_good_till_block_order_expires() -> None:
    """If this fails, an order with an expiration block would rest for ever in rehearsals."""

    async def scenario() -> None:
        async with world() as w:
            last = w.sandbox.chain.height + 3
            await w.deliver(w.limit_order("BUY", "10", "13.5", cid="gtb", expiration_block=last))
            while w.sandbox.chain.height < last:
                await w.sandbox.chain.next_block()
            rows = await w.client.fetch_chain_trader_derivative_orders(w.inj, w.subaccount)
            assert len(rows["orders"]) == 1
            await w.sandbox.chain.next_block()
            rows = await w.client.fetch_chain_trader_derivative_orders(w.inj, w.subaccount)
            assert rows["orders"] == []

    run(scenario)


REFUSALS = [
    ("BUY", "10", "14.1005", None, 16, "price off the tick"),
    ("BUY", "10.00001", "14.1", None, 17, "quantity off the tick"),
    ("BUY", "10", "13.9", None, 25, "worst price does not reach the book"),
    ("BUY", "10", "14.1", "1", 26, "margin below the initial ratio"),
    ("BUY", "10", "15", "14.5", 26, "margin does not suffice at the mark"),
    ("SELL", "10", "13.9", "0", 28, "reduce-only without a position"),
    ("BUY", "0.05", "14.1", None, 100, "below the minimum notional"),
    ("BUY", "800", "14.1", None, 95, "more than the bank balance"),
]


@pytest.mark.parametrize(("side", "quantity", "price", "margin", "code", "why"), REFUSALS)
def test_a_bad_order_passes_check_tx_and_fails_when_delivered(
    side: str, quantity: str, price: str, margin: str | None, code: int, why: str
) -> None:
    """If this fails, the code with which the chain refuses such an order is not the one rehearsed."""

    async def scenario() -> None:
        async with world() as w:
            result = await w.deliver(w.market_order(side, quantity, price, margin))
            assert (result["codespace"], result["code"]) == ("exchange", code), why
            assert (await w.client.fetch_account(w.address)).base_account.sequence == 1, (
                "it still cost a sequence"
            )
            inj = (await w.client.fetch_bank_balance(w.address, "inj"))["balance"]["amount"]
            assert int(inj) < 10 * 10**18, "and a fee"
            with pytest.raises(Exception, match="failed to execute message"):
                await w.client.simulate(await w.sign(w.market_order(side, quantity, price, margin)))

    run(scenario)


def test_reduce_only_must_oppose_and_never_exceeds_the_position() -> None:
    """If this fails, a closing order could open or turn a position in rehearsals."""

    async def scenario() -> None:
        async with world() as w:
            await w.deliver(w.market_order("BUY", "10", "14.1"))
            assert (await w.deliver(w.market_order("BUY", "5", "14.1", margin="0")))["code"] == 29
            assert (await w.deliver(w.market_order("SELL", "50", "13.9", margin="0")))["code"] == 0
            assert await w.position() is None

    run(scenario)


def test_one_market_order_per_block_and_one_live_order_per_cid() -> None:
    """If this fails, codes 38, 59 and 97 of single orders in a batch are not rehearsed."""

    async def scenario() -> None:
        async with world() as w:
            batch = w.composer.msg_batch_update_orders(
                sender=w.address,
                derivative_orders_to_create=[
                    w.order("BUY_PO", "1", "13.5", cid="a"),
                    w.order("BUY_PO", "1", "13.4", cid="a"),
                    w.order("BUY_PO", "1", "14.1", cid="b"),
                ],
                derivative_market_orders_to_create=[
                    w.order("BUY", "1", "14.1", cid="c"),
                    w.order("BUY", "1", "14.1", cid="d"),
                ],
            )
            result = await w.deliver(batch, gas=1_000_000)
            assert result["code"] == 0, "a batch succeeds although orders in it failed"
            data = abci_pb2.TxMsgData.FromString(bytes.fromhex(result["data"]))
            response = exchange_tx.MsgBatchUpdateOrdersResponse.FromString(data.msg_responses[0].value)
            assert list(response.created_derivative_orders_cids) == ["a"]
            assert list(response.failed_derivative_orders_cids) == ["a", "b"]
            assert list(response.derivative_order_hashes)[1:] == ["97", "59"]
            assert list(response.failed_derivative_market_orders_cids) == ["d"]
            assert list(response.derivative_market_order_hashes)[1:] == ["38"]

    run(scenario)


def test_a_failing_message_undoes_the_whole_transaction() -> None:
    """If this fails, half of a transaction could take effect, which the chain never does."""

    async def scenario() -> None:
        async with world() as w:
            good, bad = w.limit_order("BUY", "1", "13.5", cid="good"), w.limit_order("BUY", "1", "13.50001")
            result = await w.deliver(good, bad, gas=1_000_000)
            assert result["code"] == 16
            assert "message index: 1" in result["rawLog"]
            rows = await w.client.fetch_chain_trader_derivative_orders(w.inj, w.subaccount)
            assert rows["orders"] == []
            assert (await w.client.fetch_bank_balance(w.address, USDT))["balance"]["amount"] == "10000000000"

    run(scenario)


CHECKS: list[tuple[dict[str, Any], int]] = [
    ({"sequence": 5}, 32),
    ({"chain_id": "injective-888"}, 4),
    ({"number": 99}, 4),
    ({"timeout_height": 999}, 30),
    ({"fee_inj": 1_000}, 13),
    ({"fee_inj": 10**20}, 5),
]


@pytest.mark.parametrize(("changed", "code"), CHECKS)
def test_check_tx_refuses_with_the_sdks_codes(changed: dict[str, Any], code: int) -> None:
    """If this fails, a wrong sequence, signature, height or fee looks different here than on a real node."""

    async def scenario() -> None:
        async with world() as w:
            answer = await w.broadcast(await w.sign(w.market_order("BUY", "1", "14.1"), **changed))
            assert (answer["codespace"], answer["code"]) == ("sdk", code)
            await w.sandbox.chain.next_block()
            with pytest.raises(Exception, match="tx not found"):
                await w.client.fetch_tx(answer["txhash"])

    run(scenario)


def test_an_address_that_never_held_anything_has_no_account() -> None:
    """If this fails, an unfunded key would seem usable."""

    async def scenario() -> None:
        async with world() as w:
            assert await w.client.fetch_account(address_of(GRANTEE_KEY)) is None
            raw = await w.sign(w.market_order("BUY", "1", "14.1"), key=GRANTEE_KEY)
            assert (await w.broadcast(raw))["code"] == 9

    run(scenario)


def test_the_mempool_counts_sequences_and_knows_its_transactions() -> None:
    """If this fails, pipelined sends or a repeated send of the same bytes behave unlike a real node's."""

    async def scenario() -> None:
        async with world() as w:
            first = await w.sign(w.limit_order("BUY", "1", "13.5", cid="1"), sequence=0)
            second = await w.sign(w.limit_order("BUY", "1", "13.4", cid="2"), sequence=1)
            assert (await w.broadcast(second))["code"] == 32, "the second before the first"
            assert (await w.broadcast(first))["code"] == 0
            assert (await w.broadcast(second))["code"] == 0
            assert (await w.broadcast(first))["code"] == 19, "already in the mempool's cache"
            account = await w.client.fetch_account(w.address)
            assert account.base_account.sequence == 0, "queries tell the committed state"
            await w.sandbox.chain.next_block()
            assert (await w.client.fetch_account(w.address)).base_account.sequence == 2
            orders = (await w.client.fetch_chain_trader_derivative_orders(w.inj, w.subaccount))["orders"]
            assert {o["cid"] for o in orders} == {"1", "2"}

    run(scenario)


def test_a_transaction_past_its_timeout_height_is_never_executed() -> None:
    """If this fails, "dead past its timeout height and not found" could not be relied on."""

    async def scenario() -> None:
        async with world() as w:
            w.sandbox.faults.mempool_drop = True
            raw = await w.sign(w.limit_order("BUY", "1", "13.5"), timeout_height=w.sandbox.chain.height + 1)
            assert (await w.broadcast(raw))["code"] == 0
            for _ in range(3):
                await w.sandbox.chain.next_block()
            orders = (await w.client.fetch_chain_trader_derivative_orders(w.inj, w.subaccount))["orders"]
            assert orders == []

    run(scenario)


def test_a_grantee_trades_for_its_granter_while_the_grant_holds() -> None:
    """If this fails, authz MsgExec, its expiry or its absence is not rehearsed."""

    async def scenario() -> None:
        async with world() as w:
            grantee = address_of(GRANTEE_KEY)
            w.sandbox.chain.fund(grantee, inj=1)

            async def trade() -> dict[str, Any]:
                await w.client.fetch_account(grantee)
                await w.client.sync_timeout_height()
                sent = await w.broadcaster(GRANTEE_KEY, grantee=True).broadcast(
                    [w.market_order("BUY", "1", "14.1")]
                )
                await w.sandbox.chain.next_block()
                return (await w.client.fetch_tx(sent["txResponse"]["txhash"]))["txResponse"]

            refused = await trade()
            assert (refused["codespace"], refused["code"]) == ("authz", 2)
            until_s = w.sandbox.chain.now_ms() // 1_000 + 60
            w.sandbox.chain.grant(w.address, grantee, MARKET_ORDER, until_s)
            grants = (await w.client.fetch_grants(w.address, grantee))["grants"]
            assert [g["authorization"]["msg"] for g in grants] == [MARKET_ORDER]
            assert (await trade())["code"] == 0
            position = await w.position()
            assert position is not None
            assert human(position["quantity"]) == 1
            await w.sandbox.chain.next_block(after_s=61)
            assert (await trade())["codespace"] == "authz"
            assert (await w.client.fetch_grants(w.address, grantee))["grants"] == []

    run(scenario)


def test_an_owner_grants_by_transaction() -> None:
    """If this fails, an operator could not rehearse granting with the SDK's own message."""

    async def scenario() -> None:
        async with world() as w:
            grantee = address_of(GRANTEE_KEY)
            message = w.composer.msg_grant_generic(
                granter=w.address, grantee=grantee, msg_type=MARKET_ORDER, expire_in=3_600
            )
            assert (await w.deliver(message))["code"] == 0
            assert len((await w.client.fetch_grants(w.address, grantee))["grants"]) == 1

    run(scenario)


def test_other_subaccounts_trade_on_deposits() -> None:
    """If this fails, code 6 and the difference between subaccount 0 and the others are not rehearsed."""

    async def scenario() -> None:
        async with world() as w:
            one = w.subaccount[:-1] + "1"
            refused = await w.deliver(w.market_order("BUY", "1", "14.1", subaccount_id=one))
            assert refused["code"] == 6
            w.sandbox.chain.deposit(one, 100)
            assert (await w.deliver(w.market_order("BUY", "1", "14.1", subaccount_id=one)))["code"] == 0
            rows = (await w.client.fetch_chain_subaccount_positions(one))["state"]
            assert len(rows) == 1
            left = (await w.client.fetch_subaccount_deposit(one, USDT))["deposits"]
            assert human(left["availableBalance"]) == human(left["totalBalance"])
            assert human(left["availableBalance"]).scaleb(-6) < 100 - human(rows[0]["position"]["margin"])

    run(scenario)


def test_funding_is_charged_told_and_paged() -> None:
    """If this fails, rates, payments and cumulative funding of chain and indexer do not belong together."""

    async def scenario() -> None:
        async with world(hour_s=5) as w:
            chain = w.sandbox.chain
            chain.seed_position(w.subaccount, "INJ", Decimal(-100), Decimal(14))
            start = human(
                (await w.client.fetch_chain_perpetual_market_funding(w.inj))["state"]["cumulativeFunding"]
            )
            await chain.next_block(after_s=1)
            w.sandbox.feed.trade("INJ", Decimal("0.004"), Decimal(1_400))  # type: ignore[attr-defined]
            await chain.next_block(after_s=1)
            for _ in range(3):
                await chain.next_block(after_s=5)
            state = (await w.client.fetch_chain_perpetual_market_funding(w.inj))["state"]
            moved = human(state["cumulativeFunding"]) - start
            rates = await w.indexer.fetch_funding_rates(w.inj)
            payments = (
                await w.indexer.fetch_funding_payments(market_ids=[w.inj], subaccount_id=w.subaccount)
            )["payments"]
            paid = sum(Decimal(p["amount"]) for p in payments).scaleb(-6)
            assert abs(paid - 100 * moved) < Decimal("1e-9"), "a short receives what the market's longs pay"
            assert moved > 0
            total = int(rates["paging"]["total"])
            assert total == len(payments) >= 3
            printed = [r["rate"] for r in rates["fundingRates"]]
            assert all(len(rate) == len("0.000004") for rate in printed), "the indexer prints six decimals"
            stamps = [int(r["timestamp"]) for r in rates["fundingRates"]]
            assert stamps == sorted(stamps, reverse=True)

    run(scenario)


def test_open_interest_counts_both_sides() -> None:
    """If this fails, an adapter that halves the chain's figure would be off by two."""

    async def scenario() -> None:
        async with world() as w:

            async def interest() -> Decimal:
                return human((await w.client.fetch_open_interest(w.inj))["amount"]["balance"])

            before = await interest()
            w.sandbox.chain.seed_position(w.subaccount, "INJ", Decimal(100), Decimal(14), margin=Decimal(500))
            added = await interest() - before
            # the crowd's short takes the other side, so 100 more are held long and 100 more short
            assert added == 200

    run(scenario)


def test_a_position_is_liquidated_at_its_maintenance_margin() -> None:
    """If this fails, a liquidation cannot be rehearsed, or comes at another price than the chain's formula says."""

    async def scenario() -> None:
        async with world() as w:
            w.sandbox.chain.seed_position(w.subaccount, "INJ", Decimal(100), Decimal(14), margin=Decimal(140))
            row = (await w.indexer.fetch_derivative_positions_v2(subaccount_id=w.subaccount))["positions"][0]
            limit = Decimal(row["liquidationPrice"]).scaleb(-6)
            assert abs(limit - (14 - Decimal(140) / 100) / (1 - Decimal("0.02"))) < Decimal("1e-11")
            w.sandbox.feed.marks["INJ"] = limit + Decimal("0.001")  # type: ignore[attr-defined]
            await w.sandbox.chain.next_block()
            assert await w.position() is not None
            w.sandbox.feed.marks["INJ"] = limit - Decimal("0.001")  # type: ignore[attr-defined]
            await w.sandbox.chain.next_block()
            assert await w.position() is None
            trade = (
                await w.indexer.fetch_derivative_trades(market_ids=[w.inj], subaccount_ids=[w.subaccount])
            )["trades"][0]
            assert trade["isLiquidation"] is True

    run(scenario)


def test_a_cross_margin_subaccount_says_so() -> None:
    """If this fails, the refusal of cross-margin subaccounts has nothing to be tested against."""

    async def scenario() -> None:
        async with world() as w:
            w.sandbox.faults.cross_margin = True
            api = w.client.chain_exchange_v2_api
            profile = await api._stub.SubaccountRiskProfile(
                query.QuerySubaccountRiskProfileRequest(subaccount_id=w.subaccount)
            )
            assert profile.profile.mode == 2

    run(scenario)


def test_portfolio_adds_up() -> None:
    """If this fails, what the indexer calls the account's value differs from its parts."""

    async def scenario() -> None:
        async with world() as w:
            await w.deliver(w.market_order("BUY", "10", "14.1"))
            whole = (await w.indexer.fetch_portfolio(w.address))["portfolio"]
            parts = sum(Decimal(whole[k]) for k in ("availableBalance", "lockedBalance", "unrealizedPnl"))
            assert Decimal(whole["portfolioValue"]) == parts
            held = (await w.indexer.fetch_account_portfolio_balances(w.address))["portfolio"]
            bank = {coin["denom"]: Decimal(coin["amount"]) for coin in held["bankBalances"]}
            assert bank[USDT].scaleb(-6) <= Decimal(whole["availableBalance"]) < bank[USDT].scaleb(-6) + 1

    run(scenario)


def test_an_order_above_the_open_notional_cap_is_cancelled_with_its_code() -> None:
    """If this fails, code 112, the only one that comes at the end of a block, is not rehearsed."""

    async def scenario() -> None:
        async with world() as w:
            market = w.sandbox.markets["INJ"]
            room = market.open_interest * market.mark + 1_000
            market.rules = replace(market.rules, open_notional_cap=room)
            indexed = (await w.indexer.fetch_derivative_market(w.inj))["market"]
            assert Decimal(indexed["openNotionalCap"]["cap"]).scaleb(-6) == room
            result = await w.deliver(w.market_order("BUY", "50", "14.1", cid="large"))
            assert result["code"] == 0, "it was taken into the block"
            assert await w.position() is None
            history = await w.indexer.fetch_derivative_orders_history(market_ids=[w.inj], cid="large")
            assert history["orders"][0]["state"] == "canceled"
            events = w.sandbox.chain.state.exchange.events
            assert [(f.cid, f.code, f.account) for f in events.failures] == [("large", 112, w.address)]
            assert (await w.client.fetch_bank_balance(w.address, USDT))["balance"]["amount"] == "10000000000"
            assert (await w.deliver(w.market_order("BUY", "10", "14.1")))["code"] == 0
            assert await w.position() is not None

    run(scenario)


def test_only_the_owner_of_a_subaccount_may_trade_it() -> None:
    """If this fails, a wrong subaccount in a message would be executed here and refused on the chain."""

    async def scenario() -> None:
        async with world() as w:
            stranger = "0x" + "12" * 20 + "0" * 24
            refused = await w.deliver(w.market_order("BUY", "1", "14.1", subaccount_id=stranger))
            assert (refused["codespace"], refused["code"]) == ("exchange", 10)

    run(scenario)
