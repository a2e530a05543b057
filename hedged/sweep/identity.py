"""What a result depends on beside the configuration: code, data and models, each by its hash."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import hedged
from hedged.domain.errors import HedgedError
from hedged.forecast.artefact import load

CODE = Path(hedged.__file__).parent


class Unfit(HedgedError):
    """This worker cannot run the task as the others would; the message says what to bring up to date."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What every task of a sweep stands on. `data`, `models`: directory and hash."""

    code: str
    data: tuple[str, str]
    models: tuple[tuple[str, str], ...]


@cache
def code_hash() -> str:
    """Return the hash of the program's own code, in this process."""
    return _files_hash(CODE, sorted(p for p in CODE.rglob("*") if p.suffix in (".py", ".sql", ".json")))


@cache
def data_hash(directory: str) -> str:
    """Return the hash of a data directory's tables. Read once by each process."""
    return _files_hash(Path(directory), sorted(Path(directory).rglob("*.parquet")))


@cache
def model_hash(directory: str) -> str:
    """Return a model's hash. Raises ConfigError for one that cannot be used."""
    return load(Path(directory)).hash


def grounds(data: Path, models: Sequence[Path]) -> Grounds:
    """Take the hashes here, where the sweep is led from."""
    where = str(data.resolve())
    named = tuple((str(path.resolve()), model_hash(str(path.resolve()))) for path in models)
    return Grounds(code_hash(), (where, data_hash(where)), named)


def prove(expected: Grounds) -> None:
    """Check that this process stands on the same grounds. Raises Unfit."""
    if code_hash() != expected.code:
        raise Unfit(f"another version of hedged is installed in {CODE}: install the one that leads the sweep")
    where, wanted = expected.data
    if not Path(where).is_dir():
        raise Unfit(f"there is no {where}: share the data directory, or copy it to the same path")
    if data_hash(where) != wanted:
        raise Unfit(f"the data in {where} are others than where the sweep is led from: copy them again")
    for path, model in expected.models:
        if not Path(path).is_dir() or model_hash(path) != model:
            raise Unfit(f"the model in {path} is missing or another one: copy it again")


def _files_hash(root: Path, files: Sequence[Path]) -> str:
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            whole.update(
                f"{path.relative_to(root)}\n{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode()
            )
    return whole.hexdigest()[:16]
