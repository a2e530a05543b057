"""The operator's configuration of a seed: a book of two coins, limits that bind now and then."""

from typing import Any

from hedged.config import Config, parse_config
from hedged.simulate.dice import Dice


def settings(dice: Dice, *, tight: bool) -> Config:
    """Draw a configuration. `tight`: with limits on an hour's orders that bind, and hold up what would converge."""
    sides = [dice.pick((-1, 1)) for _ in range(2)]
    beside = dice.chance(0.5)
    raw: dict[str, Any] = {
        "account": "simulated",
        "state_dir": "/nonexistent/hedged-simulated",  # where nobody puts a kill file
        "book": {
            "positions": {
                "BTC": {"quantity": sides[0] * round(dice.between(1, 4), 3)},
                "ETH": {"quantity": sides[1] * round(dice.between(20, 60), 2)},
            },
            "equity_usd": int(dice.between(60_000, 300_000)),
        },
        "data": {"source": "venues"},
        "cycle": {
            "interval_s": dice.pick((300, 900)),
            "history_days": 7,
            "guard_interval_s": 30,
            "guard_accounts_s": 60,
            "stale_after_s": 600,
        },
        "hedge": {"forecaster": "nowcast", "allow_own_cut": dice.chance(0.8), "delta_band": "0.2"},
        "risk": {
            "max_orders_per_hour": dice.pick((4, 12, 60)) if tight else 200,
            "max_notional_per_hour_usd": dice.pick((None, 60_000)) if tight else 10_000_000,
            "max_venue_usd": dice.pick((None, 50_000)),
            "max_market_usd": dice.pick((None, 30_000)),
        },
        "strategies": {
            "cascade_hedge": {"enabled": beside, "symbols": ["ETH"], "min_hold_h": 0.2},
            "divergence": {"enabled": beside, "symbols": ["IMX"], "max_notional_usd": 10_000},
        },
        "reconcile": {"open_orders_s": 60},
        "execution": {"rest_s": dice.pick((0, 3, 15, 15))},
    }
    return parse_config(_without_none(raw))


def _without_none(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {k: _without_none(v) for k, v in tree.items() if v is not None}
    return tree
