"""The trading key is read strictly and never shown."""

import copy
import logging
import pickle
import traceback
from pathlib import Path

import pytest
import structlog
from pyinjective.wallet import PrivateKey

from hedged.adapters.injective.keys import TradingKey, load_key
from hedged.domain.errors import ConfigError

HEX = (
    "f9db9bf330e23cb7839039e944adef6e9df447b90b503d5b4464c90bea9022f3"  # published in the SDK's own examples
)
WORDS = "test test test test test test test test test test test junk"  # the best known mnemonic there is
ADDRESS = PrivateKey.from_hex(HEX).to_public_key().to_address().to_acc_bech32()


def written(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    file = tmp_path / "key"
    file.write_text(text)
    file.chmod(mode)
    return file


@pytest.mark.parametrize("text", [HEX, f"0x{HEX}", HEX.upper(), f"  {HEX}\n"])
def test_hex_digits_from_a_file_and_from_the_environment(tmp_path: Path, text: str) -> None:
    """If this fails, an operator's correct key is refused or read as another one."""
    assert load_key(written(tmp_path, text), None, {}).address == ADDRESS
    assert load_key(None, "KEY", {"KEY": text}).address == ADDRESS


def test_a_mnemonic_gives_the_address_that_wallets_show(tmp_path: Path) -> None:
    """If this fails, the daemon trades for another account than the wallet with the same words."""
    key = load_key(written(tmp_path, f" {WORDS}\n"), None, {})
    assert key.subaccounts_prefix == "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"


def test_a_signature_is_one_of_this_key() -> None:
    """If this fails, every transaction is refused as unauthorised."""
    key = load_key(None, "KEY", {"KEY": HEX})
    assert key.sign(b"document") == PrivateKey.from_hex(HEX).sign(b"document")
    assert key.public.to_address().to_acc_bech32() == ADDRESS


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o601])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """If this fails, a key lies open to every user of the machine and nobody is told."""
    with pytest.raises(ConfigError, match="chmod 600"):
        load_key(written(tmp_path, HEX, mode), None, {})


BAD = {
    "too short": HEX[:-1],
    "no hex": HEX[:-1] + "g",
    "zero": "0" * 64,
    "beyond the curve": "f" * 64,
    "bad checksum": WORDS.replace("junk", "test"),
    "not words": WORDS.replace("junk", "hunter2"),
    "thirteen words": WORDS + " junk",
    "empty": " ",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_what_is_no_key_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    """If this fails, a mistyped key ends in a log, or something else than a key is used as one."""
    with pytest.raises(ConfigError) as caught:
        load_key(written(tmp_path, text), None, {})
    error = caught.value
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    shown = shown.split("tests/unit")[-1].split("hedged/adapters", 1)[-1]  # not this test's own locals
    assert "key_file" in str(error)
    for part in {text, *text.split()} - {""}:
        if len(part) > 4:
            assert part not in shown
    assert error.__cause__ is None
    assert error.__context__ is None


def test_a_missing_source_says_what_to_do(tmp_path: Path) -> None:
    """If this fails, an operator is left to guess where the key should come from."""
    with pytest.raises(ConfigError, match="one of them"):
        load_key(None, None, {})
    with pytest.raises(ConfigError, match="one of them"):
        load_key(tmp_path / "key", "KEY", {"KEY": HEX})
    with pytest.raises(ConfigError, match="KEY is not set"):
        load_key(None, "KEY", {})
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_key(tmp_path / "absent", None, {})
    with pytest.raises(ConfigError, match="cannot be read"):
        load_key(tmp_path, None, {})
    with pytest.raises(ConfigError, match="is no key"):
        load_key(written(tmp_path, "word " * 1_000), None, {})


def secrets_of(key: TradingKey) -> tuple[str, ...]:
    return HEX, HEX.upper(), str(int(HEX, 16)), repr(bytes.fromhex(HEX))[2:-1]


def test_nothing_that_shows_an_object_shows_the_key(caplog: pytest.LogCaptureFixture) -> None:
    """If this fails, the private key reaches a log, a report or an error (invariant 13)."""
    key = load_key(None, "KEY", {"KEY": HEX})
    shown = [repr(key), str(key), f"{key}", f"{key!r:>80}", repr({"key": [key]}), str(copy.deepcopy(key))]
    shown.append(structlog.processors.JSONRenderer()(None, "info", {"event": "start", "key": key}))
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("started with %s and %r", key, key)
    shown.append(caplog.text)
    try:
        key.sign(None)  # type: ignore[arg-type]
    except TypeError as error:
        shown.append("".join(traceback.TracebackException.from_exception(error).format()))
    assert not hasattr(key, "__dict__")
    for text in shown:
        assert not any(secret in text for secret in secrets_of(key))
    assert ADDRESS in repr(key)


def test_a_key_cannot_be_written_anywhere() -> None:
    """If this fails, a cache, a queue or a crash dump may hold the private key."""
    key = load_key(None, "KEY", {"KEY": HEX})
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="never written"):
            pickle.dumps(key, protocol)
