"""Input as nobody honest sends it: samples of the right shape with something wrong in them, bytes that were damaged.

`EXAMPLES` of each are tried in the suite; `make fuzz` tries many more (HEDGED_FUZZ, a number).
"""

import copy
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("HEDGED_FUZZ", "25"))
fuzz = settings(
    max_examples=EXAMPLES,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # a spoilt answer is short enough to read as it is
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
        HealthCheck.data_too_large,
    ],
)
few = settings(fuzz, max_examples=max(4, EXAMPLES // 10))
"""For what takes long to open."""


def nested(levels: int, inner: Any = 1) -> Any:
    for _ in range(levels):
        inner = [inner]
    return inner


NASTY: tuple[Any, ...] = (
    None, True, False, "", " ", "x", [], {}, [[]], [None], {"a": 1}, [{}], 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**25,
    10**400, 1e308, -1e308, 5e-324, 1e-300, float("nan"), float("inf"), float("-inf"), "NaN", "Infinity", "-inf", "1e999",
    "1e999999999", "-1e999999999", "1e-999999999", "0", "-0", "-1", "0x10", "1_000", "٣", "9" * 5_000, "1." + "0" * 5_000,
    "\x00", "\x1b[2J", "\ud800", "🂡" * 50, "a" * 5_000, "[/red]", "../../etc/passwd", "{}", "null", "true",
)  # fmt: skip
nasty = st.sampled_from(NASTY)


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a JSON tree, the top too."""
    yield path
    if isinstance(tree, dict):
        for key in tree:
            yield from places(tree[key], (*path, key))
    elif isinstance(tree, list):
        for index in range(min(len(tree), 6)):
            yield from places(tree[index], (*path, index))


def put(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of the tree with another value at a place."""
    if not path:
        return value
    copied = copy.copy(tree)
    try:
        copied[path[0]] = put(copied[path[0]], path[1:], value)
    except (LookupError, TypeError):  # an earlier change took the place away
        return tree
    return copied


def without(tree: Any, path: tuple[Any, ...]) -> Any:
    """A copy of the tree without what is at a place."""
    if len(path) > 1:
        try:
            return put(tree, path[:1], without(tree[path[0]], path[1:]))
        except (LookupError, TypeError):
            return tree
    if isinstance(tree, dict):
        return {key: value for key, value in tree.items() if key != path[0]}
    return [one for index, one in enumerate(tree) if index != path[0]] if isinstance(tree, list) else tree


@st.composite
def spoilt(draw: Callable[[Any], Any], sample: Any, most: int = 3) -> Any:
    """A JSON tree of a sample's shape in which one to `most` places are wrong."""
    tree = sample
    every = list(places(sample))
    for _ in range(draw(st.integers(1, most))):
        path = draw(st.sampled_from(every))
        match draw(st.sampled_from(("put", "put", "put", "without", "twice", "wrap", "text"))):
            case "put":
                tree = put(tree, path, draw(nasty))
            case "without" if path:
                tree = without(tree, path)
            case "twice":
                tree = put(tree, path, [_at(tree, path)] * 2)
            case "wrap":
                tree = put(tree, path, {"data": _at(tree, path)})
            case _:
                tree = put(tree, path, str(_at(tree, path)))
    return tree


def _at(tree: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        try:
            tree = tree[key]
        except (LookupError, TypeError):
            return None
    return tree


def written(tree: Any) -> str:
    """Write JSON as hostile as it is: NaN, long numbers, halves of pairs."""
    return json.dumps(tree)


deep_json = st.sampled_from(
    [b"[" * 20_000, b'{"a":' * 20_000, b"[" * 3_000 + b"]" * 3_000, b"1" * 20_000, b"-", b"\xff\xfe", b""]
)


@st.composite
def bodies(draw: Callable[[Any], Any], sample: Any) -> bytes:
    """What comes over a wire in place of a sample: spoilt JSON, damaged bytes, or anything."""
    match draw(st.sampled_from(("spoilt", "spoilt", "spoilt", "damaged", "deep", "any"))):
        case "spoilt":
            return written(draw(spoilt(sample))).encode("utf-8", "surrogatepass")
        case "damaged":
            return draw(damaged(written(sample).encode()))
        case "deep":
            return draw(deep_json)
        case _:
            return draw(st.binary(max_size=200))


@st.composite
def damaged(draw: Callable[[Any], Any], sound: bytes) -> bytes:
    """Bytes cut, flipped, overwritten or repeated somewhere."""
    raw = bytearray(sound)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(raw) - 1)))
        match draw(st.sampled_from(("cut", "flip", "flip", "fill", "insert"))):
            case "cut":
                del raw[at:]
            case "flip" if raw:
                raw[at] ^= 1 << draw(st.integers(0, 7))
            case "fill":
                size = draw(st.integers(1, 512))
                raw[at : at + size] = bytes([draw(st.sampled_from((0, 255)))]) * min(size, len(raw) - at)
            case _:
                raw[at:at] = draw(st.binary(min_size=1, max_size=64))
    return bytes(raw)
