"""ccxt without the exchanges that nobody asks for.

`import ccxt` reads every exchange that it knows, twice over: 50 MB and most of a second, for three of them. Here its
two packages are opened without their list of imports, and an exchange is read when it is named. Whoever has imported
the whole of ccxt before keeps it.
"""

import sys
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

PACKAGES = ("ccxt", "ccxt.async_support")
_SHARED = ("ccxt.base.errors", "ccxt.base.exchange", "ccxt.base.decimal_to_precision", "ccxt.base.precise")
"""Modules whose names ccxt's packages tell too."""


class _Lazy(ModuleType):
    """A package of ccxt; `exchanges`: the ids that it knows."""

    def __getattr__(self, name: str) -> Any:
        if name == "exchanges":
            self.exchanges = [one.name for one in iter_modules(self.__path__) if not one.ispkg]
            return self.exchanges
        if not name.startswith("_"):
            if name in self.exchanges:
                import_module(f"{self.__name__}.{name}")
                return self.__dict__[name]
            for place in (f"{self.__name__}.base.exchange", *_SHARED):
                if (found := getattr(import_module(place), name, None)) is not None:
                    return found
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        # what was imported is put here as a module; of an exchange ccxt tells the class of its name
        super().__setattr__(name, getattr(value, name, value) if isinstance(value, ModuleType) else value)


def open_lazily() -> None:
    """Open ccxt's packages, unless they are open."""
    for name in PACKAGES:
        if name in sys.modules:
            return
        spec = find_spec(name)
        if spec is None or spec.submodule_search_locations is None:
            raise ImportError(f"{name} is not installed")
        package = _Lazy(name)
        package.__spec__, package.__package__, package.__file__ = spec, name, spec.origin
        package.__path__ = spec.submodule_search_locations
        sys.modules[name] = package
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, package)
