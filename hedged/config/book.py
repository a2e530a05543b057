"""Whose positions are protected, and where market data come from."""

from decimal import Decimal
from typing import Literal, Self

from pydantic import Field, model_validator

from hedged.config.section import Section


class PositionConfig(Section):
    """One of the trader's own positions on Injective. USD are turned into coins at the first price seen."""

    usd: Decimal | None = Field(None, description="signed notional in USD, > 0 long")
    quantity: Decimal | None = Field(None, description="signed quantity in coins, > 0 long")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.usd is None) == (self.quantity is None):
            raise ValueError("give either usd or quantity")
        if not (self.usd or self.quantity):
            raise ValueError("a position is not zero: leave the symbol out")
        return self


class BookConfig(Section):
    """Whose positions are protected."""

    source: Literal["static", "injective"] = Field(
        "static", description="static: as written here; injective: read from the chain, no key needed"
    )
    address: str | None = Field(None, description="source injective: the account, inj1…")
    subaccount: int = Field(0, ge=0, lt=2**32, description="source injective: index of the subaccount")
    positions: dict[str, PositionConfig] = Field(default_factory=dict)
    equity_usd: Decimal | None = Field(
        None, gt=0, description="default: a third of the book's gross notional"
    )
    protect: list[str] | None = Field(None, description="symbols to protect; default: all held")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.source == "injective" and (self.address is None or self.positions):
            raise ValueError("source: injective needs address, and reads the positions itself")
        if self.source == "static" and self.address is not None:
            raise ValueError("address is read with source: injective only")
        return self

    @model_validator(mode="after")
    def _protects_what_is_held(self) -> Self:
        if self.source != "static":
            return self  # what is held is known later, and changes
        foreign = sorted(set(self.protect or ()) - set(self.positions))
        if foreign:
            raise ValueError(f"protect names {', '.join(foreign)}, which positions does not hold")
        return self


class DataConfig(Section):
    """Where market data come from."""

    source: Literal["simulator", "venues"] = Field("simulator", description="venues: the real ones, live")
    seed: int = Field(7, description="of the simulated markets")
