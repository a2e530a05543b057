"""The sandbox's answers have the shape of answers that public nodes gave."""

import asyncio
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from injective_world import World, world

Recorded = Callable[[str], Any]
NOT_KEPT = {"createdAt", "aggregateReduceOnlyQuantity", "updatedAt", "logo"}
"""What the sandbox does not state: instants and sums that no reader of ours takes."""


def kind(value: Any) -> str:
    """What sort of text a leaf is: an address, a hash, a number, a word."""
    text = str(value)
    for name, pattern in (
        ("hash", r"0x[0-9a-f]{64}"),
        ("address", r"inj1[0-9a-z]{38}"),
        ("number", r"-?\d+(\.\d+)?"),
    ):
        if re.fullmatch(pattern, text):
            return name
    return "word" if text else "nothing"


def missing(true: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """Name what the true row states and ours does not, or states in another form."""
    found = []
    for field, value in true.items():
        if field in NOT_KEPT or value in ("", False, [], None):
            continue
        name = re.sub(r"_(.)", lambda m: m[1].upper(), field)
        if isinstance(value, dict):
            found += [f"{field}.{inner}" for inner in missing(value, ours.get(name, {}))]
        elif isinstance(value, str) and kind(ours.get(name, "")) != kind(value):
            found.append(f"{field}: {ours.get(name)!r} is not like {value!r}")
    return found


async def lively(w: World) -> None:
    """Trade, rest, cancel and pay funding, so that every list has a row."""
    await w.deliver(w.market_order("BUY", "10", "14.1", cid="taker"))
    await w.deliver(w.limit_order("BUY_PO", "5", "13.5", cid="rest"))
    await w.sandbox.chain.settle_funding()


def test_indexer_rows_state_what_true_rows_state(recorded: Recorded) -> None:
    """If this fails, a reader that works here would miss a field, or meet another format, on the real indexer."""

    async def scenario() -> None:
        async with world() as w:
            await lively(w)
            ix, mine = w.indexer, {"market_ids": [w.inj], "subaccount_id": w.subaccount}
            pairs = {
                "FundingRates": ("fundingRates", await ix.fetch_funding_rates(w.inj)),
                "FundingPayments": ("payments", await ix.fetch_funding_payments(**mine)),
                "OrdersHistory": ("orders", await ix.fetch_derivative_orders_history(**mine)),
                "TradesV2": ("trades", await ix.fetch_derivative_trades(subaccount_ids=[w.subaccount])),
                "SubaccountOrdersList": (
                    "orders",
                    await ix.fetch_derivative_subaccount_orders_list(w.subaccount),
                ),
                "Positions": (
                    "positions",
                    await ix.fetch_derivative_positions_v2(subaccount_id=w.subaccount),
                ),
            }
            for name, (rows, ours) in pairs.items():
                true = recorded(f"derivativesrpc__{name}__0_python")
                assert missing(true[rows][0], ours[rows][0]) == [], name
                assert set(true["paging"]) >= {"total", "from", "to"} <= set(ours["paging"]), name
            market = await ix.fetch_derivative_market(w.inj)
            assert missing(recorded("derivativesrpc__Market__0_python")["market"], market["market"]) == []

    asyncio.run(scenario())


def test_chain_rows_state_what_true_rows_state(recorded: Recorded) -> None:
    """If this fails, a reader of the chain's own gRPC would meet other fields than here."""

    async def scenario() -> None:
        async with world() as w:
            await lively(w)
            market = (await w.client.fetch_chain_derivative_market(w.inj))["market"]
            true = recorded("derivatives__DerivativeMarket__0_json")["market"]
            assert missing(true["market"], market["market"]) == []
            info = true["Info"]["perpetual_info"]
            assert missing(info["market_info"], market["perpetualInfo"]["marketInfo"]) == []
            assert missing(info["funding_info"], market["perpetualInfo"]["fundingInfo"]) == []
            row = (await w.client.fetch_chain_subaccount_positions(w.subaccount))["state"][0]
            assert missing(recorded("derivatives__SubaccountPositions__0_json")["state"][0], row) == []
            fee = recorded("txfees__GetEipBaseFee__0_json")["baseFee"]["baseFee"]
            ours = await w.client.txfees_api.fetch_eip_base_fee()
            assert Decimal(ours["baseFee"]["baseFee"]) == Decimal(fee), "160,000,000 × 1e18, as on mainnet"

    asyncio.run(scenario())
