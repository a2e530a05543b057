"""The sweep file: what is searched, over which folds and books, and what counts as better."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from hedged.config.faults import explain
from hedged.config.section import Section
from hedged.config.yaml_text import read_yaml
from hedged.domain.errors import ConfigError
from hedged.sweep.paths import kind_of

MAX_TRIALS = 10_000
EngineName = Literal["batch", "daemon"]


def example() -> str:
    """Return the commented example."""
    return (files("hedged.sweep") / "assets" / "example.yaml").read_text(encoding="utf-8")


class ParameterConfig(Section):
    """Values of one setting: a list of choices, or a range that is drawn from."""

    choices: list[Any] | None = Field(None, min_length=1)
    low: float | None = None
    high: float | None = None
    log: bool = Field(False, description="equal chances for equal factors, not for equal steps")
    step: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.choices is not None:
            if (self.low, self.high, self.step, self.log) != (None, None, None, False):
                raise ValueError("give either choices, or low and high")
            if any(isinstance(choice, float) and choice != choice for choice in self.choices):
                raise ValueError("nan is no value")
            return self
        if self.low is None or self.high is None or not self.low < self.high:
            raise ValueError("give a list of values, or low and high with low < high")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log needs low above zero and no step")
        return self


class FoldsConfig(Section):
    """How the window is cut, and which folds a choice may look back on."""

    count: int = Field(3, ge=2, le=60)
    length_d: int | None = Field(None, ge=1, description="days; default: the window ÷ count")
    training: Literal["expanding", "rolling"] = Field(
        "expanding", description="choose on all earlier folds, or on the last `rolling` of them"
    )
    rolling: int = Field(2, ge=1)

    @property
    def memory(self) -> int | None:
        """Return on how many earlier folds a choice is made; None: all."""
        return self.rolling if self.training == "rolling" else None


class ObjectiveConfig(Section):
    """What counts as better."""

    metric: str = Field("net_saving_usd", description="number of summary.json by its dotted path")
    per: Literal["notional", "run"] = Field(
        "notional",
        description="notional: a sum in USD, as bp of the position a year; run: as it is, mean over books",
    )
    direction: Literal["maximize", "minimize"] = "maximize"

    @property
    def baselines(self) -> bool:
        """Say whether runs have to be held against their baselines for it, which takes them longer."""
        return self.metric.startswith("metrics.")


class SweepConfig(Section):
    """The whole sweep."""

    config: Path | None = Field(None, description="base configuration; none: the defaults")
    fixed: dict[str, Any] = Field(
        default_factory=dict, alias="set", description="settings by dotted path, for all trials"
    )
    data: Path
    from_day: date = Field(alias="from")
    to_day: date = Field(alias="to", description="exclusive")
    positions: dict[str, Decimal] = Field(
        default_factory=dict, description="own position on Injective, signed USD; none: the configuration's"
    )
    books: Literal["each", "together", "both"] = Field(
        "each", description="each: a run for each position alone; together: one of all"
    )
    proxy: str | None = Field(
        None, description="venue that stands in for Injective; where none is recorded, hyperliquid"
    )
    proxy_rule: Literal["chain", "level"] = "chain"
    engine: EngineName = Field(
        "batch", description="batch: the quick one, for what it can play; daemon: for every run"
    )
    folds: FoldsConfig = FoldsConfig()
    models: list[str] = Field(
        default_factory=list,
        description="forecasters, model directories or `walk-forward quarterly`; the first is the default's",
    )
    parameters: dict[str, ParameterConfig] = Field(default_factory=dict)
    trials: int | None = Field(
        None, ge=1, le=MAX_TRIALS, description="so many are drawn by Optuna; none: every combination is tried"
    )
    at_once: int = Field(
        4, ge=1, le=256, description="Optuna draws so many trials before it hears of the last ones"
    )
    holdout: int = Field(1, ge=1, description="folds at the end of which Optuna hears nothing")
    seed: int = Field(0, ge=0)
    objective: ObjectiveConfig = ObjectiveConfig()

    @field_validator("parameters", mode="before")
    @classmethod
    def _lists_are_choices(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {path: {"choices": one} if isinstance(one, list) else one for path, one in value.items()}

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not self.parameters and len(self.models) < 2:
            raise ValueError("nothing is searched: name parameters, or two models or more")
        if self.from_day >= self.to_day:
            raise ValueError(f"the window is empty: from {self.from_day} is not before to {self.to_day}")
        for path in (*self.parameters, *self.fixed):
            try:
                kind_of(path)
            except ConfigError as error:
                raise ValueError(str(error)) from None
        if twice := sorted({*self.parameters} & {*self.fixed}):
            raise ValueError(f"{', '.join(twice)}: both set and searched")
        ranges = [path for path, one in self.parameters.items() if one.choices is None]
        if ranges and self.trials is None:
            raise ValueError(f"{', '.join(ranges)}: a range needs `trials`, the number that is drawn from it")
        if self.trials is not None and self.holdout >= self.folds.count:
            raise ValueError("holdout leaves no fold to search on")
        if any(not usd for usd in self.positions.values()):
            raise ValueError("a position is not zero: leave the symbol out")
        return self

    @property
    def from_ms(self) -> int:
        """Return the start of the first day, ms."""
        return _ms(self.from_day)

    @property
    def to_ms(self) -> int:
        """Return the end, exclusive, ms."""
        return _ms(self.to_day)


def parse_sweep(raw: Mapping[str, Any], source: str) -> SweepConfig:
    """Validate a plain tree. Raises ConfigError with one line that names every fault."""
    try:
        return SweepConfig.model_validate(raw)
    except ValidationError as error:
        faults = [str(fault).removeprefix("(top): ") for fault in explain(SweepConfig, error.errors(), {})]
        raise ConfigError(f"{source}: " + "; ".join(faults)) from None


def read_sweep(path: Path) -> dict[str, Any]:
    """Read a YAML file as it is. Raises ConfigError."""
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise ConfigError(
            f"{path}: expected `key: value` lines; `hedged sweep --example` prints a file to start from"
        )
    return raw


def _ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000
