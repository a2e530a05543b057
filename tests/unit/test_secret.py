"""Secrets: read from one place that only the owner can read, and shown nowhere."""

import copy
import json
import os
import stat
from pathlib import Path

import pytest

from hedged.adapters.cex.keys import load_api_key
from hedged.adapters.injective.keys import load_key
from hedged.config import CexVenueConfig, parse_config
from hedged.domain.errors import ConfigError
from hedged.secret import Secret, _private, read_secret, redact
from hedged.wiring.outside_parts import read_secrets

TEXT = "s3cret-of-the-operator-000000"


def test_from_a_file_or_the_environment(tmp_path: Path) -> None:
    """If this fails, a key that is where the operator put it is not found, or comes with its line's end."""
    file = tmp_path / "key"
    file.write_text(f"  {TEXT}\n")
    file.chmod(0o600)
    assert read_secret("x.key", file, None, {}).reveal() == TEXT
    assert read_secret("x.key", None, "K", {"K": f"{TEXT}\n"}).reveal() == TEXT


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        (TEXT, 0o644, "can be read by others (mode 0644): chmod 600"),
        ("", 0o600, "holds no secret"),
        (f"{TEXT}\n{TEXT}", 0o600, "holds no secret"),
        (f"{TEXT}é", 0o600, "holds no secret"),
        (TEXT * 100, 0o600, "is no key"),
    ],
)
def test_what_is_wrong_is_named_and_the_secret_is_not(
    tmp_path: Path, content: str, mode: int, says: str
) -> None:
    """If this fails, a key that others can read is used, or an error shows it."""
    file = tmp_path / "key"
    file.write_text(content)
    file.chmod(mode)
    with pytest.raises(ConfigError) as caught:
        read_secret("x.key", file, None, {})
    assert says in str(caught.value)
    assert "x.key_file" in str(caught.value)
    assert TEXT not in str(caught.value)


def test_missing_places() -> None:
    """If this fails, a missing key shows when the first request fails, not at the start."""
    for file, variable, says in (
        (None, None, "give either x.key_file or x.key_env"),
        (Path("k"), "K", "give either x.key_file or x.key_env"),
        (Path("/nowhere/k"), None, "x.key_file /nowhere/k cannot be read"),
        (None, "K", "x.key_env: the environment variable K is not set"),
    ):
        with pytest.raises(ConfigError, match=says):
            read_secret("x.key", file, variable, {"K": " "})


def test_it_is_never_shown() -> None:
    """If this fails, a log or a traceback with locals gives the secret away."""
    secret = Secret(TEXT)
    for shown in (repr(secret), str(secret), f"{secret}", repr([secret]), repr(copy.copy(secret))):
        assert TEXT not in shown


def test_the_webhook_wants_a_secret_that_cannot_be_guessed() -> None:
    """If this fails, `hedged` is the secret of somebody's hedges, or `hedged check` passes what cannot start."""
    config = parse_config({"webhook": {"secret_env": "S"}})
    with pytest.raises(ConfigError, match="at least 24 characters"):
        read_secrets(config, {"S": "x" * 23})
    secret = read_secrets(config, {"S": TEXT})
    assert secret is not None
    assert secret.reveal() == TEXT
    assert read_secrets(parse_config({}), {}) is None
    glass = parse_config(
        {"data": {"source": "venues"}, "outside": {"coinglass": {"key_env": "HEDGED_NOT_SET"}}}
    )
    with pytest.raises(ConfigError, match=r"outside\.coinglass\.key_env"):
        read_secrets(glass, {})


def test_a_file_named_beside_the_variable(tmp_path: Path) -> None:
    """If this fails, a container engine's secret is not found, or two places are read and nobody knows which."""
    file = tmp_path / "key"
    file.write_text(f"{TEXT}\n")
    file.chmod(0o600)
    assert read_secret("x.key", None, "K", {"K_FILE": str(file)}).reveal() == TEXT
    with pytest.raises(ConfigError, match="K and K_FILE are both set: keep one"):
        read_secret("x.key", None, "K", {"K": TEXT, "K_FILE": str(file)})
    with pytest.raises(ConfigError, match=r"x\.key_env, K_FILE: /nowhere/k cannot be read"):
        read_secret("x.key", None, "K", {"K_FILE": "/nowhere/k"})
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by others"):
        read_secret("x.key", None, "K", {"K_FILE": str(file)})
    told = CexVenueConfig(key_env="K", secret_env="S")
    file.chmod(0o600)
    key = load_api_key(
        "okx", told.model_copy(update={"passphrase_env": "P"}), {"K": "k", "S_FILE": str(file), "P": "p"}
    )
    assert key is not None
    assert key.reveal() == {"apiKey": "k", "secret": TEXT, "password": "p"}
    (tmp_path / "hex").write_text("1" * 64)
    (tmp_path / "hex").chmod(0o400)
    assert load_key(None, "K", {"K_FILE": str(tmp_path / "hex")}).address.startswith("inj1")


@pytest.mark.parametrize(
    ("owner", "mode", "place", "private"),
    [
        (0, 0o440, "/etc/x", True),  # Kubernetes: root's, ours by fsGroup
        (0, 0o444, "/run/secrets/x", True),  # Docker and Podman
        (0, 0o444, "/etc/x", False),
        (0, 0o460, "/etc/x", False),
        (7, 0o440, "/etc/x", False),
        (7, 0o400, "/etc/x", True),
    ],
)
def test_what_root_hands_us_is_ours(
    owner: int, mode: int, place: str, private: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a container cannot read its secrets, or a key that others can read is used."""
    monkeypatch.setattr(os, "geteuid", lambda: 10_001)
    state = os.stat_result((stat.S_IFREG | mode, 0, 0, 1, owner, 0, 10, 0, 0, 0))
    assert _private(state, Path(place)) is private


def test_what_was_read_is_masked_wherever_it_turns_up() -> None:
    """If this fails, an SDK that quotes a key in its error puts it into log, page or report."""
    first = Secret('quote"d-and-longer')
    Secret("quote")  # too short to look for: it would be found in innocent words
    assert redact(f"a {first.reveal()} b quote") == "a <hidden> b quote"
    assert redact(f'{{"why": {json.dumps(first.reveal())}}}') == '{"why": "<hidden>"}'
    address = "https://x.test/a?symbol=INJ&apiKey=k&Signature=0fe1&token=t"
    assert redact(address) == "https://x.test/a?symbol=INJ&apiKey=<hidden>&Signature=<hidden>&token=<hidden>"
    assert redact("key=INJ, sign=+") == "key=INJ, sign=+"
