"""What the program never does, read from its own source: unpickle, evaluate, start a shell, trust any certificate.

Ruff's S rules say much of it on each line; here it holds for the whole package, whatever is ignored where.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

import hedged

PACKAGE = Path(hedged.__file__).parent
UNPICKLING = {
    "pickle",
    "_pickle",
    "cPickle",
    "marshal",
    "shelve",
    "dill",
    "joblib",
    "cloudpickle",
    "jsonpickle",
}
EVALUATING = {"eval", "exec", "compile", "__import__"}
SHELLS = {
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "asyncio.create_subprocess_shell",
}
NAMED = {
    "ssl._create_unverified_context",
    "ssl.CERT_NONE",
    "ssl.CERT_OPTIONAL",
    "ssl._create_default_https_context",
}
WORDS = re.compile(
    r"pickle|marshal|shelve|dill|joblib|\b(eval|exec|compile|system|popen)\(|__import__|subprocess|\bshell|\byaml\."
    r"|torch\.load|\bssl\b|\bverify|check_hostname|insecure_channel|create_default_context"
)
Found = Iterator[tuple[int, str]]


def dotted(node: ast.expr) -> str:
    """Write `a.b.c` as it stands; `?` for what is no name."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def imports(node: ast.AST) -> Found:
    names = []
    if isinstance(node, ast.Import):
        names = [one.name for one in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [node.module or ""]
    yield from ((node.lineno, f"imports {name}") for name in names if name.partition(".")[0] in UNPICKLING)


def calls(node: ast.AST) -> Found:
    if not isinstance(node, ast.Call):
        return
    name = dotted(node.func)
    said = {word.arg: word.value for word in node.keywords}
    if name in EVALUATING | SHELLS or (name.startswith("yaml.") and "unsafe" in name):
        yield node.lineno, name
    if name in ("yaml.load", "yaml.load_all") and [dotted(one) for one in node.args[1:]] != ["Limited"]:
        yield node.lineno, f"{name} by another loader than ours"
    if name == "torch.load" and not _is(said.get("weights_only"), True):
        yield node.lineno, "torch.load that unpickles"
    on = [word for word in ("allow_pickle", "shell") if word in said and not _is(said[word], False)]
    off = [word for word in ("verify", "ssl", "verify_ssl") if _is(said.get(word), False)]
    yield from ((node.lineno, f"{name}({word}=...)") for word in on + off)


def names(node: ast.AST) -> Found:
    if isinstance(node, ast.Attribute) and dotted(node) in NAMED:
        yield node.lineno, dotted(node)
    targets = node.targets if isinstance(node, ast.Assign) else []
    for target in targets:
        if isinstance(target, ast.Attribute) and target.attr in ("check_hostname", "verify_mode", "verify"):
            yield node.lineno, f"sets {target.attr}"


def _is(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def faults(nodes: Iterable[ast.AST]) -> list[tuple[int, str]]:
    return sorted(one for node in nodes for look in (imports, calls, names) for one in look(node))


@pytest.fixture(scope="module")
def package() -> dict[str, list[ast.AST]]:
    """Nodes by a module's path in the package, of every module that holds a word of what is looked for at all."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
    return {
        str(path.relative_to(PACKAGE)): list(ast.walk(ast.parse(text)))
        for path, text in texts.items()
        if WORDS.search(text)
    }


def callers(package: dict[str, list[ast.AST]], which: Callable[[ast.Call], bool]) -> set[str]:
    """Modules outside the sandbox that make such a call; the sandbox is the other end."""
    return {
        name
        for name, nodes in package.items()
        if not name.startswith("sandbox/")
        and any(isinstance(node, ast.Call) and which(node) for node in nodes)
    }


def test_nothing_unpickles_evaluates_or_trusts_blindly(package: dict[str, list[ast.AST]]) -> None:
    """If this fails, a model file, an answer or a man in the middle can run code here or pass for a venue."""
    assert {f"{name}:{line}": what for name, nodes in package.items() for line, what in faults(nodes)} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from joblib import load", "eval('1')", "exec(text)", "os.system('ls')",
        "yaml.load(t, yaml.Loader)", "yaml.unsafe_load(t)", "np.load(f, allow_pickle=True)",
        "np.load(f, allow_pickle=x)", "torch.load(f)", "torch.load(f, weights_only=False)",
        "subprocess.run(c, shell=True)", "TCPConnector(ssl=False)", "requests.get(u, verify=False)",
        "context.check_hostname = False", "context.verify_mode = ssl.CERT_NONE",
    ],
)  # fmt: skip
def test_the_look_finds_what_it_looks_for(source: str) -> None:
    """If this fails, the test above passes whatever the package does."""
    assert faults(ast.walk(ast.parse(source)))


def test_plain_grpc_is_opened_in_one_place(package: dict[str, list[ast.AST]]) -> None:
    """If this fails, some other path talks to the chain without TLS, whatever the configuration says of its node."""
    found = callers(package, lambda call: dotted(call.func).endswith("insecure_channel"))
    assert found == {"adapters/injective/nodes.py"}


def test_only_the_sandbox_seam_chooses_whom_to_trust(package: dict[str, list[ast.AST]]) -> None:
    """If this fails, an authority of somebody's own passes for a venue on a path that no rehearsal needs."""

    def chooses(call: ast.Call) -> bool:
        return dotted(call.func).endswith("create_default_context") or "ssl" in {
            word.arg for word in call.keywords
        }

    assert callers(package, chooses) == {"wiring/cex_venues.py"}
