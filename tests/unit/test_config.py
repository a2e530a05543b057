"""Configuration: what is refused, what the operator reads then, and which changes count as another configuration."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from hedged.config import LIVE_ACKNOWLEDGEMENT, Config, load_config, parse_config
from hedged.domain.clock import FastClock, SystemClock
from hedged.domain.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


def refused(raw: dict) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(raw)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_example_loads_and_is_paper():
    """The file that every operator starts from would be refused, or would trade real money."""
    config = load_config(ROOT / "config.example.yaml")
    assert config.mode == "paper"


def test_the_example_shows_the_defaults():
    """The example says that it shows the defaults; an operator who deletes a line would change what the daemon does."""
    example = load_config(ROOT / "config.example.yaml")
    assert example.model_copy(update={"book": Config().book}) == Config()


def test_what_the_example_comments_out_is_real():
    """A commented key would be refused as unknown once the operator switches it on."""
    text = (ROOT / "config.example.yaml").read_text(encoding="utf-8")
    switched_on, count = re.subn(r"^( +)# (\w+: )", r"\1\2", text, flags=re.MULTILINE)
    assert count >= 3
    assert parse_config(yaml.safe_load(switched_on)).book.protect is not None


@pytest.mark.parametrize("text", ["", "# only a comment\n", "{}"])
def test_an_empty_file_is_the_default(tmp_path, text):
    """A file with everything commented out would crash."""
    path = tmp_path / "c.yaml"
    path.write_text(text)
    assert load_config(path) == Config()


def test_the_defaults_are_the_cautious_ones():
    """Without a word from the operator the daemon would trade, exceed 40 % or keep another rhythm than designed."""
    config = Config()
    assert config.mode == "paper"
    assert config.hedge.cap == Decimal("0.40")
    assert config.hedge.confidence_knots == [(0.50, 0.25), (0.80, 0.60)]
    assert (config.cycle.interval_s, config.cycle.bar_s) == (900, 900)
    assert config.risk.max_leverage <= 5


@pytest.mark.parametrize(
    ("raw", "path", "near"),
    [
        ({"hegde": {}}, "hegde", "hedge"),
        ({"hedge": {"cpa": 0.1}}, "hedge.cpa", "cap"),
        ({"book": {"positions": {"INJ": {"quantiti": 1}}}}, "book.positions.INJ.quantiti", "quantity"),
        ({"costs": {"cex": {"maker_bp": 1, "taker_bps": 5}}}, "costs.cex.taker_bps", "taker_bp"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest(raw, path, near):
    """A mistyped limit would be ignored and its default used: the operator thinks it holds."""
    message = refused(raw)
    assert f"{path}: unknown key; did you mean '{near}'?" in message


def test_a_key_like_no_other_gets_no_wild_guess():
    """The hint would send the operator to a key that has nothing to do with it."""
    assert "did you mean" not in refused({"xyzzy": 1})


def test_live_needs_the_acknowledgement():
    """`mode: live` alone, copied or mistyped, would trade real money."""
    assert "live_acknowledgement" in refused({"mode": "live"})
    assert LIVE_ACKNOWLEDGEMENT in refused({"mode": "live", "live_acknowledgement": "yes"})
    assert parse_config({"mode": "live", "live_acknowledgement": LIVE_ACKNOWLEDGEMENT}).mode == "live"


@pytest.mark.parametrize(
    "raw",
    [
        {"hedge": {"cap": 1.01}},
        {"hedge": {"cap": -0.1}},
        {"hedge": {"cap": float("nan")}},
        {"hedge": {"confidence_knots": [[0.8, 0.6], [0.5, 0.25]]}},
        {"hedge": {"confidence_knots": []}},
        {"hedge": {"confidence_knots": [[0.5, 25], [0.8, 60]]}},  # per cent, where shares are meant
        {"hedge": {"confidence_knots": [[0.5, float("nan")]]}},
        {"cycle": {"interval_s": 1_000}},  # would meet the end of a 15-minute bar every two and a half hours
        {"risk": {"max_leverage": 11}},
        {"cycle": {"interval_s": 29}},
        {"book": {"positions": {"INJ": {}}}},
        {"book": {"positions": {"INJ": {"usd": 1, "quantity": 1}}}},
        {"costs": {"cex": {"maker_bp": 2, "taker_bp": 5}}},
        {"mode": "demo"},
        {"hedge": None},
        {1: 2},
    ],
)
def test_a_senseless_value_is_refused_by_name(raw):
    """A limit outside its range would be taken as given, or the message would not say which key is wrong."""
    message = refused(raw)
    assert any(str(key) in message for key in raw) or "costs" in message


def test_all_faults_are_told_at_once():
    """The operator would fix one fault after another, a restart each."""
    message = refused({"hegde": {}, "risk": {"max_leverage": 99}})
    assert "hegde" in message
    assert "risk.max_leverage" in message


@pytest.mark.parametrize("bar_s", [60, 300, 900, 1_800, 3_600])
def test_a_bar_that_divides_the_hour_is_taken(bar_s):
    """A sensible bar length would be refused."""
    assert parse_config({"cycle": {"bar_s": bar_s}}).cycle.bar_s == bar_s


@pytest.mark.parametrize("bar_s", [61, 700, 2_400])
def test_a_bar_must_divide_the_hour(bar_s):
    """Bars would never end with the hour, and hourly features would be made from the wrong instants."""
    assert "divide an hour" in refused({"cycle": {"bar_s": bar_s}})


@pytest.mark.parametrize(
    ("raw", "same"),
    [
        ({"telemetry": {"port": 1, "log_level": "debug"}}, True),
        ({"state_dir": "/elsewhere"}, True),
        ({"hedge": {"cap": "0.39"}}, False),
        ({"hedge": {"model": "/models/another"}}, False),
        ({"risk": {"max_leverage": 2}}, False),
        ({"book": {"positions": {"INJ": {"usd": 1}}}}, False),
        ({"account": "other"}, False),
    ],
)
def test_the_hash_covers_what_can_change_a_decision(raw, same):
    """Moving the logs would void every running decision, or another cap would pass for the same configuration."""
    assert (parse_config(raw).hash == Config().hash) is same


def test_the_hash_does_not_depend_on_spelling():
    """The same limits, written 0.40 or 0.4 or in another order, would pass for another configuration."""
    assert (
        parse_config({"hedge": {"cap": 0.4}}).hash
        == parse_config({"hedge": {"cap": "0.400"}}).hash
        == Config().hash
    )
    inj, btc = {"INJ": {"usd": 1}}, {"BTC": {"usd": 2}}
    hashes = {parse_config({"book": {"positions": both}}).hash for both in (inj | btc, btc | inj)}
    assert len(hashes) == 1


def test_the_configuration_cannot_be_changed_in_flight():
    """A limit could be loosened after the gate had been built from it."""
    with pytest.raises(ValidationError):
        Config().hedge.cap = Decimal(1)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"hedge: [1, 2", "is not YAML"),
        (b"a: b: c", "is not YAML"),
        (b"\x00", "is not YAML"),
        (b"- just\n- a list\n", "key: value"),
        (b"paper", "key: value"),
        (b"account: caf\xe9\n", "is not UTF-8"),
    ],
)
def test_a_broken_file_is_one_line_for_the_operator(tmp_path, content, match):
    """A slip in the file would end in a traceback that hides the file and the fault."""
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=match) as caught:
        load_config(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    """A wrong path on the command line would end in a traceback, or silently in the defaults."""
    with pytest.raises(ConfigError, match="cannot read") as caught:
        load_config(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_costs_of_a_venue_that_is_not_named():
    """A hedge venue without an entry would cost nothing, or basis points would be taken for fractions."""
    config = Config()
    assert config.costs_of("bybit").taker_fee == Decimal("0.0005")
    assert config.costs_of("injective").maker_fee == Decimal("-0.00005")


def on_chain(**node):
    at = {"chain_grpc": "127.0.0.1:1", "indexer_grpc": "localhost:2", "chain_stream": "[::1]:3"} | node
    return {
        "clock": {"speed": 60, "from_ms": 1},
        "data": {"source": "venues"},
        "injective": {"network": "custom", "chain_id": "injective-1", "nodes": [at]},
    }


def test_a_fast_clock_is_the_local_chains():
    """A rehearsal would not share the time of its chain."""
    config = parse_config(on_chain())
    assert isinstance(config.clock.make(), FastClock)
    assert isinstance(Config().clock.make(), SystemClock)
    assert config.hash == parse_config(on_chain() | {"clock": {}}).hash


@pytest.mark.parametrize(
    "raw",
    [
        {"clock": {"speed": 60}},
        on_chain(chain_grpc="node.example:443"),
        on_chain(indexer_grpc="node.example:443"),
        on_chain() | {"injective": {"network": "mainnet"}},
        on_chain() | {"clock": {"speed": 0.5}},
    ],
)
def test_a_fast_clock_is_refused_wherever_money_could_be(raw):
    """The daemon would decide by a time that no real venue keeps."""
    assert "clock" in refused(raw)


VENUES = {"data": {"source": "venues"}}
GLASS = {"outside": {"coinglass": {"key_env": "K"}}}


@pytest.mark.parametrize(
    ("raw", "same"),
    [
        ({"outside": {"coinglass": {"url": "https://elsewhere", "per_minute": 1}}}, True),
        ({"outside": {"status": {"period_s": 60, "hosts": {}}}}, True),
        ({"webhook": {"port": 1, "least": 0.1}}, True),  # off: without a secret it does nothing
        (GLASS, False),
        ({"outside": {"coingecko": {"key_file": "k"}}}, False),
        ({"outside": {"status": {"venues": ["okx"]}}}, False),
        ({"webhook": {"secret_env": "S"}}, False),
    ],
)
def test_the_hash_knows_outside_inputs_by_what_they_do(raw, same):
    """Another key or port would void every running decision, or a new input would pass for the same configuration."""
    assert (parse_config(VENUES | raw).hash == parse_config(VENUES).hash) is same


def test_the_hash_is_the_same_for_another_place_of_the_same_secret():
    """A key moved from the environment to a file would void every running decision."""
    moved = {"outside": {"coinglass": {"key_file": "/k", "url": "https://other"}}}
    assert parse_config(VENUES | GLASS).hash == parse_config(VENUES | moved).hash
    loud = {"webhook": {"secret_env": "S", "per_minute": 1, "allow_from": ["10.0.0.0/8"]}}
    quiet = {"webhook": {"secret_file": "/s", "port": 2}}
    assert parse_config(loud).hash == parse_config(quiet).hash
    assert parse_config(loud).hash != parse_config({"webhook": {"secret_env": "S", "most": 1.5}}).hash


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (GLASS, "outside is about the real venues: it needs data.source: venues"),
        (
            VENUES | {"outside": {"coinglass": {"key_env": "K", "key_file": "k"}}},
            "key_file or key_env, not both",
        ),
        (VENUES | {"outside": {"coinglas": {}}}, "did you mean 'coinglass'"),
        (VENUES | {"outside": {"status": {"maintenance_leed_s": 1}}}, "did you mean 'maintenance_lead_s'"),
        (VENUES | {"outside": {"status": {"venues": ["kraken"]}}}, "outside.status.venues.0"),
        (
            VENUES | {"outside": {"status": {"hosts": {"bybi": "https://x"}}}},
            "outside.status.hosts: bybi: expected binance,",
        ),
        ({"webhook": {"secret_env": "S", "secret_file": "s"}}, "secret_file or secret_env, not both"),
        ({"webhook": {"allow_from": ["tradingview.com"]}}, "webhook.allow_from"),
        ({"webhook": {"most": 2.1}}, "webhook.most"),
        ({"webhook": {"least": -0.1}}, "webhook.least"),
        ({"webhook": {"secret": "in clear"}}, "unknown key"),
    ],
)
def test_outside_settings_that_cannot_work_are_explained(raw, says):
    """A key in two places, a source beside simulated prices or a boundless signal would start and do harm."""
    assert says in refused(raw)


ETH = {"book": {"positions": {"ETH": {"usd": 1_000}}}}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (
            {"hedge": {"venues": ["okx"]}, "strategies": {"divergence": {"enabled": True}}},
            "two exchanges: name two in hedge.venues",
        ),
        ({"strategies": {"divergence": {"exit_below": 0.001}}}, "exit_below lies below threshold"),
        ({"strategies": {"divergence": {"risk_per_trade": 0.03}}}, "less than or equal to 0.02"),
        ({"strategies": {"divergence": {"max_leverage": 11}}}, "less than or equal to 10"),
        ({"strategies": {"divergence": {"symbols": ["IMX", "IMX"]}}}, "each once"),
        ({"strategies": {"cascade_hedge": {"max_leverage": 6}}}, "less than or equal to 5"),
        ({"strategies": {"cascade_hedge": {"knots": [[0.8, 0.6], [0.5, 0.25]]}}}, "knots must ascend"),
        ({"strategies": {"cascade_hedge": {"close_below": 0.6}}}, "below the first knot"),
        (
            {"book": {"positions": {"INJ": {"usd": 1}}}, "strategies": {"cascade_hedge": {"enabled": True}}},
            "symbols names ETH, which book.positions does not hold",
        ),
        (
            ETH | {"hedge": {"venues": []}, "strategies": {"cascade_hedge": {"enabled": True}}},
            "needs an exchange",
        ),
        ({"strategies": {"divergense": {}}}, "did you mean 'divergence'"),
    ],
)
def test_strategies_that_cannot_work_are_refused(raw, why):
    """If this fails, a strategy is switched on that never can trade, or trades beyond the seeds' limits."""
    with pytest.raises(ConfigError, match=re.escape(why)):
        parse_config(raw)


def test_strategies_are_off_until_they_are_asked_for():
    """If this fails, an upgrade starts trades that nobody wanted."""
    plain = Config().strategies
    assert plain.funding_hedge.enabled
    assert not plain.cascade_hedge.enabled
    assert not plain.divergence.enabled
    assert plain.beside_the_book == ()
    on = parse_config({"strategies": {"divergence": {"enabled": True}}})
    assert on.strategies.beside_the_book == ("IMX",)
    assert on.hash != Config().hash
    assert parse_config({"alerts": {"deviation_bands": 9}}).hash == Config().hash
