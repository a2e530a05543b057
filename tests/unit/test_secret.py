"""Secrets: read from one place that only the owner can read, and shown nowhere."""

import copy
from pathlib import Path

import pytest

from hedged.config import parse_config
from hedged.domain.errors import ConfigError
from hedged.secret import Secret, read_secret
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
