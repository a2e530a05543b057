"""Numbers as they stand on the wire, turned into human units once, here.

Two encodings are in use and look alike. Chain (exchange v2, stream v2): every decimal is the human value × 10¹⁸, as an
integer string; deposits are × 10¹⁸ of the coin's *smallest* unit. Indexer: v1 decimals, where prices, margins, fees and
payments are × 10^quote_decimals while quantities and rates are plain. An empty field is unknown, never zero.
"""

from decimal import Context, Decimal

CHAIN_DECIMALS = 18
MOST_DIGITS = 60
"""An integer of the chain has 256 bits at most, 78 digits; nothing that is counted here comes near."""
_EXACT = Context(prec=60)  # a deposit has up to 40 digits; the usual context would round it


def from_chain(text: str) -> Decimal:
    """Read a decimal of the chain. Raises ValueError where there is none."""
    return _scaled(text, CHAIN_DECIMALS)


def coins_from_chain(text: str, decimals: int) -> Decimal:
    """Read a deposit: the chain's decimal of a coin's smallest unit, as whole coins."""
    return _scaled(text, CHAIN_DECIMALS + decimals)


def coins(text: str, decimals: int) -> Decimal:
    """Read a bank balance: an integer of the coin's smallest unit, as whole coins."""
    return _scaled(text, decimals)


def quote(text: str, quote_decimals: int) -> Decimal:
    """Read a price or an amount of money of the indexer."""
    return _scaled(text, quote_decimals)


def plain(text: str) -> Decimal:
    """Read a quantity or a rate of the indexer."""
    return _scaled(text, 0)


def _scaled(text: str, decimals: int) -> Decimal:
    if not text:
        raise ValueError("a number is missing")
    value = Decimal(text)
    if not value.is_finite() or value.adjusted() > MOST_DIGITS:
        raise ValueError(f"{text[:40]!r} is no number")
    return value.scaleb(-decimals, _EXACT)
