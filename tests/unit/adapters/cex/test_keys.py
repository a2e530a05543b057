"""API keys: read from one place, complete, private, and shown nowhere."""

import copy
import pickle
from pathlib import Path

import pytest

from hedged.adapters.cex.keys import load_api_key
from hedged.config import parse_config
from hedged.config.cex import CexVenueConfig
from hedged.domain.errors import ConfigError


def config(**changes: object) -> CexVenueConfig:
    return CexVenueConfig.model_validate(changes)


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "key: abc\nsecret: s3cret\npassphrase: p w\n",
        '# mine\nkey="abc"\nsecret = "s3cret"\n\npassphrase=p w\n',
    ],
)
def test_a_key_is_read_from_a_file(tmp_path: Path, text: str) -> None:
    """If this fails, a key file that was written as documented does not work."""
    key = load_api_key("okx", config(key_file=write(tmp_path / "k", text)), {})
    assert key is not None
    assert key.reveal() == {"apiKey": "abc", "secret": "s3cret", "password": "p w"}


def test_a_key_is_read_from_the_environment() -> None:
    """If this fails, a container cannot be given a key."""
    told = config(key_env="K", secret_env="S", passphrase_env="P")
    key = load_api_key("okx", told, {"K": " abc ", "S": "s", "P": "p"})
    assert key is not None
    assert key.reveal() == {"apiKey": "abc", "secret": "s", "password": "p"}
    assert load_api_key("okx", config(), {}) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("key: abc\n", "lacks secret"), ("secret: s3cret\n", "lacks key"), ("", "lacks key, secret"),
        ("abc\ns3cret\n", "line 1: expected `key"), ("key: abc\nsecret: s3cret\nsecert: x\n", "line 3: expected"),
        ("key: a\tc\nsecret: s3cret\n", "characters that no key has"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_without_telling_what_it_holds(tmp_path: Path, text: str, why: str) -> None:
    """If this fails, the operator learns nothing, or the log learns the secret."""
    with pytest.raises(ConfigError, match=why) as refused:
        load_api_key("binance", config(key_file=write(tmp_path / "k", text)), {})
    assert "s3cret" not in str(refused.value)


def test_okx_needs_a_passphrase(tmp_path: Path) -> None:
    """If this fails, the first signed request tells what the start should have."""
    file = write(tmp_path / "k", "key: a\nsecret: b\n")
    assert load_api_key("bybit", config(key_file=file), {}) is not None
    with pytest.raises(ConfigError, match="lacks passphrase"):
        load_api_key("okx", config(key_file=file), {})


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """If this fails, every user of the machine can trade the account."""
    with pytest.raises(ConfigError, match=r"can be read by others \(mode 0644\): chmod 600"):
        load_api_key("binance", config(key_file=write(tmp_path / "k", "key: a\nsecret: b\n", 0o644)), {})


def test_a_key_shows_itself_nowhere(tmp_path: Path) -> None:
    """If this fails, a log, a traceback or a dump holds the key."""
    key = load_api_key(
        "okx", config(key_env="K", secret_env="S", passphrase_env="P"), {"K": "kk", "S": "ss", "P": "pp"}
    )
    assert key is not None
    assert repr(key) == str(key) == "<ApiKey of okx>"
    assert copy.copy(key) is copy.deepcopy(key) is key
    with pytest.raises(TypeError, match="never written"):
        pickle.dumps(key)
    assert key.redact("kk, ss and pp") == "<hidden>, <hidden> and <hidden>"


@pytest.mark.parametrize(
    ("tree", "why"),
    [
        ({"cex": {"binance": {"key_env": "K"}}}, "key_env and secret_env go together"),
        ({"cex": {"okx": {"passphrase_env": "P"}}}, "passphrase_env goes with key_env"),
        (
            {"cex": {"okx": {"key_file": "a", "key_env": "K", "secret_env": "S"}}},
            "key_file or key_env, not both",
        ),
        ({"cex": {"okx": {"kay_file": "a"}}}, "did you mean 'key_file'"),
        ({"cex": {"okx": {"margin_mode": "cross"}}}, "isolated"),
        ({"cex": {"injective": {}}}, "it has a section of its own"),
        ({"cex": {"okx": {"rate_share": 1.5}}}, "less than or equal to 1"),
    ],
)
def test_a_contradictory_configuration_is_refused(tree: dict[str, object], why: str) -> None:
    """If this fails, a setting that cannot take effect is silently ignored."""
    with pytest.raises(ConfigError, match=why):
        parse_config(tree)


def test_how_an_exchange_is_reached_decides_nothing() -> None:
    """If this fails, a new key or another deadline counts as another strategy."""
    plain = parse_config({"cex": {"okx": {}}})
    moved = parse_config({"cex": {"okx": {"key_file": "elsewhere", "rate_share": 0.3, "deadline_s": 3}}})
    assert plain.hash == moved.hash
    assert plain.hash != parse_config({"cex": {"okx": {"quote": "USDC"}}}).hash
