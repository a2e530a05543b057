"""The trading key: read once from a file or the environment, used to sign, never shown.

What the operator gives is 64 hex digits or a BIP-39 mnemonic (derived at m/44'/60'/0'/0/0, as wallets do). Texts of
errors never hold any part of it, and neither do the chained exceptions: checks come before calls that could raise.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from mnemonic import Mnemonic
from pyinjective.wallet import PrivateKey

from hedged.domain.errors import ConfigError
from hedged.secret import Secret, hide, read_secret_file, read_variable, shown_path

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of secp256k1
WORDS = (12, 15, 18, 21, 24)


class TradingKey:
    """Signs for one address. Printing, logging, copying or pickling it shows or gives away nothing but the address."""

    __slots__ = ("__private", "__public", "address", "subaccounts_prefix")

    def __init__(self, private: Any) -> None:
        self.__private = private
        hide(private.to_hex())  # a mnemonic's too, which nobody has written down
        self.__public = private.to_public_key()
        address = self.__public.to_address()
        self.address: str = address.to_acc_bech32()
        self.subaccounts_prefix: str = address.get_ethereum_address()

    @property
    def public(self) -> Any:
        """The public key, as pyinjective's transactions want it."""
        return self.__public

    def sign(self, document: bytes) -> bytes:
        """Return the signature (64 bytes: r, s) of the document's Keccak-256."""
        return bytes(self.__private.sign(document))

    def __repr__(self) -> str:
        return f"<TradingKey of {self.address}>"

    def __copy__(self) -> "TradingKey":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "TradingKey":
        return self

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a trading key is never written anywhere")


def load_key(file: Path | None, variable: str | None, environ: Mapping[str, str]) -> TradingKey:
    """Read the key. Raises ConfigError that says what to change and never what was read."""
    if (file is None) == (variable is None):
        raise ConfigError(
            "give the trading key either as injective.key_file or as injective.key_env, one of them"
        )
    if file is not None:
        return _parse(read_secret_file("injective.key_file", file), f"injective.key_file {shown_path(file)}")
    return _parse(read_variable("injective.key_env", variable or "", environ), "injective.key_env")


def _parse(secret: Secret, where: str) -> TradingKey:
    words = len(secret.reveal().split())
    if words in WORDS:
        if not Mnemonic("english").check(" ".join(secret.reveal().split())):
            raise ConfigError(
                f"{where}: the {words} words are no valid mnemonic: a word or the checksum is wrong"
            )
        return TradingKey(PrivateKey.from_mnemonic(" ".join(secret.reveal().split())))
    if not _is_private_key(secret):
        raise ConfigError(f"{where} holds neither 64 hex digits nor a mnemonic of 12 to 24 words")
    return TradingKey(PrivateKey.from_hex(secret.reveal().strip().removeprefix("0x")))


def _is_private_key(secret: Secret) -> bool:
    digits = Secret(secret.reveal().strip().removeprefix("0x"))
    if len(digits.reveal()) != 64 or not set(digits.reveal()) <= set("0123456789abcdefABCDEF"):
        return False
    return 0 < int(digits.reveal(), 16) < CURVE_ORDER
