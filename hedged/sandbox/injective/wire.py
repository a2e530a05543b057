"""Numbers, addresses and hashes as they stand on the wire.

Chain gRPC (exchange v2) sends every decimal as an integer string × 1e18 of the *human* value; deposits are human values
of the coin's smallest unit. The indexer prints v1 numbers: prices, margins and payments × 10^quote_decimals.
"""

from decimal import ROUND_DOWN, Context, Decimal

import sha3
from pyinjective.wallet import Address

E18 = Decimal(10) ** 18
WIDE = Context(prec=60)  # 10 000 USD × 10⁶ with 18 digits behind the point is more than the usual 28 digits
NONCE_DIGITS = 24
"""Hex digits of a subaccount id behind the 20 bytes of its owner's address."""


def chain_dec(value: Decimal | int) -> str:
    """Write a decimal as the chain's protobuf does: an integer string × 1e18, truncated."""
    return str(int(Decimal(value) * E18))


def from_chain_dec(text: str) -> Decimal:
    """Read such a decimal; an empty field is zero."""
    return Decimal(text or "0") / E18


def plain(value: Decimal, places: int = 18) -> str:
    """Write a decimal without exponent and trailing zeros, truncated to `places` digits behind the point."""
    text = f"{value.quantize(Decimal(1).scaleb(-places), ROUND_DOWN, WIDE):f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def scaled(value: Decimal, decimals: int, places: int = 18) -> str:
    """Write a price, margin or payment as the indexer does: × 10^decimals."""
    return plain(value.scaleb(decimals), places)


def keccak(data: bytes) -> bytes:
    """Return Ethereum's Keccak-256, with which Injective hashes orders and what is signed."""
    digest: bytes = sha3.keccak_256(data).digest()
    return digest


def hash_of(*parts: object) -> str:
    """Return a 0x… hash that is a function of the parts."""
    return "0x" + keccak("|".join(map(str, parts)).encode()).hex()


def owner_of(subaccount_id: str) -> str:
    """Return the inj1… address that owns a subaccount."""
    address: str = Address(bytes.fromhex(subaccount_id[2:42])).to_acc_bech32()
    return address


def subaccount_of(address: str, nonce: int = 0) -> str:
    """Return the id of an address's subaccount."""
    owner: str = Address.from_acc_bech32(address).to_hex()
    return f"0x{owner}{nonce:0{NONCE_DIGITS}x}"


def resolve_subaccount(address: str, given: str) -> str:
    """Return the subaccount meant in a message: a full id, or a nonce that counts from the sender, or nothing (0)."""
    if given.startswith("0x"):
        return given.lower()
    return subaccount_of(address, int(given or "0"))


def is_default(subaccount_id: str) -> bool:
    """Whether this is subaccount 0, which trades straight out of its owner's bank balance."""
    return int(subaccount_id[42:], 16) == 0
