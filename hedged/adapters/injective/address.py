"""Addresses: inj1… (bech32, with a checksum) and the subaccount ids made of them."""

from bech32 import bech32_decode, convertbits

from hedged.domain.errors import ConfigError

ADDRESS_BYTES = 20


def subaccount_id(address: str, index: int) -> str:
    """Return the id of an address's subaccount. Raises ConfigError for what is no Injective address."""
    hrp, words = bech32_decode(address)
    if words is None:
        raise ConfigError(f"book.address: {address!r} is mistyped: its checksum does not fit")
    raw = convertbits(words, 5, 8, False)
    if hrp != "inj" or raw is None or len(raw) != ADDRESS_BYTES:
        raise ConfigError(f"book.address: {address!r} is no Injective account (inj1…)")
    return f"0x{bytes(raw).hex()}{index:024x}"
