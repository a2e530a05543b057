"""freqtrade's Backtesting without a network: its exchange's answers replaced the way freqtrade's own tests do it.

Everything that computes stays freqtrade's: data handler, strategy interface, wallets, trades, funding.
"""

from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, PropertyMock, patch

from freqtrade.data.history import get_datahandler
from freqtrade.enums import CandleType, MarginMode, RunMode, TradingMode
from freqtrade.optimize.backtesting import Backtesting

EXCHANGE = "freqtrade.exchange.exchange.Exchange"
TIER = {
    "minNotional": 0,
    "maxNotional": 1e12,
    "maintenanceMarginRate": 0.01,
    "maxLeverage": 100,
    "maintAmt": 0.0,
}
KINDS = {"futures": CandleType.FUTURES, "mark": CandleType.MARK, "funding": CandleType.FUNDING_RATE}


def market(pair: str) -> dict[str, Any]:
    """Return a linear USDT perpetual as ccxt describes one; one contract is one coin."""
    base = pair.split("/")[0]
    return {
        "id": f"{base}USDT", "symbol": pair, "base": base, "quote": "USDT", "settle": "USDT", "type": "swap",
        "spot": False, "swap": True, "future": False, "margin": False, "option": False, "contract": True,
        "linear": True, "inverse": False, "contractSize": 1.0, "active": True, "taker": 0.0, "maker": 0.0,
        "precision": {"price": 0.01, "amount": 0.001},
        "limits": {
            "leverage": {"min": 1, "max": 100}, "amount": {"min": 0.001, "max": 1e9},
            "price": {"min": 0.01, "max": 1e9}, "cost": {"min": 1, "max": None},
        },
        "info": {},
    }  # fmt: skip


def offline(pairs: list[str], fee: float) -> None:
    """Replace what would ask Binance, for the rest of this process."""
    answers: dict[str, Any] = {
        f"{EXCHANGE}.validate_config": {"new": MagicMock()},
        f"{EXCHANGE}.validate_timeframes": {"new": MagicMock()},
        f"{EXCHANGE}._init_ccxt": {"new": MagicMock()},
        f"{EXCHANGE}._load_async_markets": {"return_value": {}},
        f"{EXCHANGE}.id": {"new": PropertyMock(return_value="binance")},
        f"{EXCHANGE}.name": {"new": PropertyMock(return_value="Binance")},
        f"{EXCHANGE}.precisionMode": {"new": PropertyMock(return_value=4)},
        f"{EXCHANGE}.precision_mode_price": {"new": PropertyMock(return_value=4)},
        f"{EXCHANGE}.markets": {"new": PropertyMock(return_value={pair: market(pair) for pair in pairs})},
        f"{EXCHANGE}.timeframes": {"new": PropertyMock(return_value=["1m", "5m", "15m", "1h", "8h", "1d"])},
        f"{EXCHANGE}.get_fee": {"return_value": fee},
        f"{EXCHANGE}.get_max_leverage": {"return_value": 100.0},
        f"{EXCHANGE}.get_maintenance_ratio_and_amt": {"return_value": (0.01, 0.0)},
        f"{EXCHANGE}.get_leverage_tiers": {"return_value": {}},
        "freqtrade.exchange.binance.Binance.load_leverage_tiers": {"return_value": {}},
        "freqtrade.exchange.binance.Binance.additional_exchange_init": {"new": MagicMock()},
    }
    for target, how in answers.items():
        patch(target, **how).start()


def store(data: Path, pair: str, timeframe: str, kind: str, frame: Any) -> None:
    """Write candles or rates as freqtrade's feather files."""
    get_datahandler(data, "feather").ohlcv_store(pair, timeframe, frame, KINDS[kind])


def backtesting(folder: Path, pairs: list[str], timeframe: str, **changes: Any) -> Backtesting:
    """Return a Backtesting of `folder`'s strategy S over its data. Isolated futures, leverage 1 unless S says so."""
    config: dict[str, Any] = {
        "user_data_dir": folder, "datadir": folder / "data", "strategy_path": str(folder / "strategies"),
        "exportdirectory": folder / "backtest_results", "exportfilename": None, "export": "none",
        "strategy": "S", "strategy_list": None, "timeframe": timeframe, "timerange": None,
        "runmode": RunMode.BACKTEST, "dry_run": True, "initial_state": "running", "backtest_cache": "none",
        "stake_currency": "USDT", "stake_amount": 2_000, "dry_run_wallet": 1_000_000, "max_open_trades": len(pairs),
        "tradable_balance_ratio": 0.99, "fiat_display_currency": "", "bot_name": "b", "position_stacking": False,
        "trading_mode": TradingMode.FUTURES, "margin_mode": MarginMode.ISOLATED,
        "candle_type_def": CandleType.FUTURES, "liquidation_buffer": 0.05,
        "exchange": {"name": "binance", "key": "", "secret": "", "pair_whitelist": pairs, "pair_blacklist": []},
        "pairlists": [{"method": "StaticPairList", "allow_inactive": True}],
        "entry_pricing": {"price_side": "other", "use_order_book": False},
        "exit_pricing": {"price_side": "other", "use_order_book": False},
        "order_types": {"entry": "market", "exit": "market", "stoploss": "market", "stoploss_on_exchange": False},
        "unfilledtimeout": {"entry": 10, "exit": 10, "unit": "minutes"},
        "dataformat_ohlcv": "feather", "dataformat_trades": "feather", "enable_protections": False,
        "internals": {}, "verbosity": 0, "max_entry_position_adjustment": -1,
    }  # fmt: skip
    config |= changes
    config["original_config"] = dict(config)
    made = Backtesting(config)
    made.exchange._leverage_tiers = {pair: [TIER] for pair in pairs}
    return made


def run(made: Backtesting, data: Any, timerange: Any) -> Any:
    """Run the one strategy; return its table of trades."""
    made.backtest_one_strategy(made.strategylist[0], data, timerange)
    return next(iter(made.all_bt_content.values()))["results"]
