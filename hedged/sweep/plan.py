"""From the sweep file to trials and tasks: a trial is one configuration, a task one run of it on a fold and a book."""

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hedged.adapters.replay.proxy import ProxyRule
from hedged.backtest.runner import Window
from hedged.config import Config, load_config, parse_config
from hedged.domain.errors import ConfigError
from hedged.forecast.registry import NAMES
from hedged.sweep.file import EngineName, SweepConfig
from hedged.sweep.folds import folds_of
from hedged.sweep.identity import Grounds, grounds
from hedged.sweep.paths import SEARCHED, changed, found

TOGETHER = "together"
WALKS = "walk-forward "
Told = tuple[tuple[int, int, str], ...]
"""Models that succeed each other: from and to, ms, and the directory."""
DEFAULT = 0
"""The number of the trial in which no parameter is changed."""


@dataclass(frozen=True, slots=True)
class Task:
    """One run, complete in itself: it travels to a worker. `config`: plain tree, the book in it.

    `key`: hash of everything that the result depends on. `baselines`: hold the run against them too; `engine`: which
    one plays it if it can; `laws`: where the batch engine's forecasts are shared with other runs, None: they are not;
    `reigns`: models that succeed each other, in the place of one.
    """

    key: str
    config: Mapping[str, Any]
    window: Window
    symbols: tuple[str, ...]
    proxy: str | None
    proxy_rule: ProxyRule
    grounds: Grounds
    baselines: bool = False
    engine: EngineName = "batch"
    laws: str | None = None
    reigns: Told = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """One configuration. `values`: the searched settings by path. `tasks`: by (fold, book)."""

    number: int
    model: str
    values: Mapping[str, Any]
    tasks: Mapping[tuple[int, str], Task] = field(repr=False)

    @property
    def key(self) -> str:
        """Identify the configuration: equal ones have equal tasks."""
        return "".join(task.key for task in self.tasks.values())

    @property
    def label(self) -> str:
        """Return it in words."""
        if self.number == DEFAULT:
            return "default"
        return " ".join(
            [self.model, *(f"{path.split('.')[-1]}={value}" for path, value in self.values.items())]
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """A sweep made ready. `base`: plain tree of what a backtest obeys; `books`: positions by name; `laws`: see `Task`;
    `reigns`: by model and the fold's beginning, of those that are trained as a fold goes on.
    """

    sweep: SweepConfig
    base: Mapping[str, Any]
    folds: tuple[Window, ...]
    books: Mapping[str, Mapping[str, Any]]
    models: tuple[str, ...]
    grounds: Grounds
    laws: str | None = None
    reigns: Mapping[tuple[str, int], Told] = field(default_factory=dict)

    def trial(self, number: int, model: str, values: Mapping[str, Any]) -> Trial:
        """Return a trial with its tasks; it may be one that cannot run, and says so when it is run."""
        tree = changed(self.base, {**_forecaster(model), **values})
        configs = {name: _with_book(tree, book) for name, book in self.books.items()}
        hashes = {name: _config_hash(config) for name, config in configs.items()}
        tasks = {
            (at, name): self._task(config, hashes[name], fold, self.reigns.get((model, fold.from_ms), ()))
            for at, fold in enumerate(self.folds)
            for name, config in configs.items()
        }
        return Trial(number, model, dict(values), tasks)

    def settings(self, trial: Trial) -> dict[str, Any]:
        """Return the value of every searched setting, the base's where the trial leaves it."""
        return {path: trial.values.get(path, found(self.base, path)) for path in self.sweep.parameters}

    def default(self) -> Trial:
        """Return the trial in which nothing is changed."""
        return self.trial(DEFAULT, self.models[0], {})

    def grid(self) -> Iterator[Trial]:
        """Yield the default, then every other combination once."""
        seen = {(default := self.default()).key}
        yield default
        paths = list(self.sweep.parameters)
        choices = [one.choices or [] for one in self.sweep.parameters.values()]
        for model, *values in itertools.product(self.models, *choices):
            trial = self.trial(len(seen), model, dict(zip(paths, values, strict=True)))
            if trial.key not in seen:
                seen.add(trial.key)
                yield trial

    def _task(self, config: Mapping[str, Any], config_hash: str, fold: Window, reigns: Told) -> Task:
        sweep, symbols = self.sweep, tuple(sorted(config["book"]["positions"]))
        known = dict(self.grounds.models)
        model = known.get(str(config["hedge"].get("model")))
        models = [(from_ms, known[path]) for from_ms, _, path in reigns]
        text = json.dumps(
            [config_hash, fold.from_ms, fold.to_ms, symbols, sweep.proxy, sweep.proxy_rule, self.grounds.code,
             self.grounds.data[1], model, models, sweep.engine, sweep.objective.baselines],
        )  # fmt: skip
        key = hashlib.sha256(text.encode()).hexdigest()[:24]
        return Task(
            key, config, fold, symbols, sweep.proxy, sweep.proxy_rule, self.grounds, sweep.objective.baselines,
            sweep.engine, self.laws, reigns,
        )  # fmt: skip


def walks(model: str) -> bool:
    """Tell whether a model is trained anew as a fold goes on."""
    return model.startswith(WALKS)


def make_plan(sweep: SweepConfig, laws: Path | None = None) -> Plan:
    """Read what the sweep stands on; `laws`: where forecasts are shared between runs.

    Raises ConfigError or DataError for what cannot work in any trial.
    """
    base = load_config(sweep.config) if sweep.config else Config()
    tree = backtest_part(base)
    positions: dict[str, Any] = tree["book"]["positions"]
    if sweep.positions:
        positions = {symbol: {"usd": str(usd)} for symbol, usd in sweep.positions.items()}
    if not positions:
        raise ConfigError("the book is empty: name your positions, e.g. --position ETH=100000")
    tree["book"]["positions"] = positions
    tree = changed(tree, sweep.fixed)
    models = tuple(dict.fromkeys(sweep.models)) or (base.hedge.forecaster,)
    directories = [Path(name) for name in models if name not in NAMES and not walks(name)]
    if base.hedge.model is not None:
        tree["hedge"]["model"] = str(base.hedge.model.resolve())
        directories.append(base.hedge.model)
    if not sweep.data.is_dir():
        raise ConfigError(f"data: there is no directory {sweep.data}")
    parse_config(changed(tree, _forecaster(models[0])), "the default configuration")
    folds = folds_of(sweep.from_ms, sweep.to_ms, sweep.folds.count, sweep.folds.length_d)
    books = _books(positions, tree["book"].get("protect"), sweep)
    kept = str(laws.resolve()) if laws is not None else None
    return Plan(sweep, tree, tuple(folds), books, models, grounds(sweep.data, directories), kept)


def backtest_part(config: Config) -> dict[str, Any]:
    """Return the plain tree of what a backtest obeys: no keys, no addresses, no tokens travel to a worker."""
    tree = config.model_dump(mode="json", include={"account", "book", *SEARCHED}, exclude_none=True)
    tree["book"] = {k: v for k, v in tree["book"].items() if k in ("positions", "equity_usd", "protect")}
    return tree


def _books(
    positions: Mapping[str, Any], protect: Sequence[str] | None, sweep: SweepConfig
) -> dict[str, dict[str, Any]]:
    """Return the books by name, one for each protected position; of one position there is one book in all."""
    each = {symbol: {symbol: positions[symbol]} for symbol in protect or positions}
    if len(positions) == 1 or sweep.books == "each":
        return each
    together = {TOGETHER: dict(positions)}
    return together if sweep.books == "together" else each | together


def _forecaster(model: str) -> dict[str, Any]:
    """Return the settings of a model: a forecaster by its name, with the base's model; else the ensemble of one."""
    if model in NAMES:
        return {"hedge.forecaster": model}
    if walks(model):
        return {"hedge.forecaster": "ensemble", "hedge.model": None}
    return {"hedge.forecaster": "ensemble", "hedge.model": str(Path(model).resolve())}


def _with_book(tree: Mapping[str, Any], book: Mapping[str, Any]) -> dict[str, Any]:
    config = changed(tree, {"book.positions": dict(book)})
    if protect := tree["book"].get("protect"):
        config["book"]["protect"] = [symbol for symbol in protect if symbol in book]
    return config


def _config_hash(config: Mapping[str, Any]) -> str:
    """Return the configuration's own hash, which ignores spelling; of an invalid one, that of its text."""
    try:
        return parse_config(dict(config)).hash
    except ConfigError:
        return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]
