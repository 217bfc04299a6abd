"""A lint: no path of one machine, and no randomness that nobody can repeat. `python -m release.portable [FILE…]`.

Ruff's S108 (temporary folders) and NPY002 (NumPy's old generators) are switched on beside it; this finds what they do
not: homes, drives and work folders, in other files than Python too, and generators that are made or used without a
seed. Names are followed through imports, not through assignments. A line that must do it says why:

    delay *= random.uniform(0.5, 1.5)  # unseeded: processes must not agree
    HOSTILE = "C:/Windows"  # a path: hostile on purpose
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
_HOMES = "home|root|Users|work|workspace|mnt|media|scratch|tmp"
PATH = re.compile(rf"(?<![\w.\-:/}}])(?:/(?:{_HOMES})/(?:\w|$)|[A-Za-z]:(?:\\|/(?!/))\w)")
"""Places that are one person's or one machine's. What every Linux has (`/proc`, `/var/lib`) is none of them."""
MARKS = {"path": re.compile(r"#.*\ba path: \S"), "unseeded": re.compile(r"#.*\bunseeded: \S")}
TEXT = (".py", ".sh", ".yml", ".yaml", ".toml", ".cfg", ".json", ".jsonl", ".js", ".html", ".css", ".conf", ".tf")
PLANTED = "test_portable.py"
"""Its own test holds what it must find."""
IN_A_CONTAINER = ("Dockerfile", "compose.yaml")
_CONTAINERS = "/tmp/"  # a path: a container's own  # noqa: S108  # nosec B108 # only compared with
NAMED = ("Makefile", "Dockerfile", "run", ".gitignore", ".dockerignore")
_MODULE_FUNCTIONS = frozenset(
    """random uniform triangular randint choice randrange sample shuffle choices normalvariate lognormvariate
    expovariate vonmisesvariate gammavariate gauss betavariate binomialvariate paretovariate weibullvariate getrandbits
    randbytes""".split()
)
_TORCH = frozenset("rand randn randint randperm normal multinomial bernoulli rand_like randn_like randint_like".split())
_SEEDED = {  # what takes a seed, and under which names
    "random.Random": ("x", "seed"),
    "numpy.random.default_rng": ("seed",),
    "numpy.random.RandomState": ("seed",),
    "numpy.random.SeedSequence": ("entropy",),
}
_KEYWORD = {  # what takes it by keyword only
    "sklearn.model_selection.train_test_split": "random_state",
    "sklearn.model_selection.ShuffleSplit": "random_state",
    "sklearn.model_selection.StratifiedShuffleSplit": "random_state",
    "sklearn.utils.shuffle": "random_state",
    "sklearn.utils.resample": "random_state",
}
_SHUFFLERS = ("KFold", "StratifiedKFold", "GroupKFold", "StratifiedGroupKFold")


@dataclass(frozen=True, order=True)
class Fault:
    """What is not portable, and where."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


def faults_of(name: str, text: str) -> list[Fault]:
    """Return a file's faults; Python is read as Python, anything else line by line."""
    lines = text.splitlines()
    own = _CONTAINERS if Path(name).name in IN_A_CONTAINER else None
    found = [*_python(text)] if name.endswith(".py") else [*_plain(lines, own)]
    return sorted(
        {Fault(name, line, what) for line, what, kind in found if not MARKS[kind].search(lines[line - 1])},
    )


def _plain(lines: list[str], own: str | None) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(lines, 1):
        seen = line.replace(own, "own/") if own else line
        if found := PATH.search(seen):
            yield number, _of_one_machine(seen[found.start() :]), "path"


def _of_one_machine(text: str) -> str:
    return f"a path of one machine, {text.split()[0][:40]!r}: take it from an option, the environment or tempfile"


def _python(text: str) -> Iterator[tuple[int, str, str]]:
    tree = ast.parse(text)
    names = _imports(tree)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    seeds_torch = "manual_seed" in text or "Generator(" in text
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            if found := PATH.search(node.value):
                yield node.lineno, _of_one_machine(node.value[found.start() :]), "path"
        elif isinstance(node, ast.Call):
            what = _unseeded(node, _dotted(node.func, names), seeds_torch=seeds_torch)
            if what:
                yield node.lineno, f"{what}: give a seed, or say why not (# unseeded: …)", "unseeded"


def _imports(tree: ast.AST) -> dict[str, str]:
    """Return what each imported name stands for, as a dotted name."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _dotted(node: ast.expr, names: dict[str, str]) -> str:
    """Return a called name in full, through imports; one that begins at something else as `?.NAME`."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    start = names.get(node.id, "?") if isinstance(node, ast.Name) else "?"
    return ".".join([start, *reversed(parts)])


def _unseeded(call: ast.Call, name: str, *, seeds_torch: bool) -> str:
    """Return what a call draws without a seed; "" where it has one, or draws nothing."""
    module, _, last = name.rpartition(".")
    given = {keyword.arg for keyword in call.keywords}
    if module == "random" and last in _MODULE_FUNCTIONS:
        return f"{name}() draws from a generator that all share"
    if name in _SEEDED:
        values = [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg in _SEEDED[name])]
        nothing = all(isinstance(value, ast.Constant) and value.value is None for value in values)
        return f"{name}() without a seed" if nothing else ""
    if module == "torch" and last in _TORCH and not seeds_torch and "generator" not in given:
        return f"{name}() where nothing sets torch's seed"
    if name in _KEYWORD and _KEYWORD[name] not in given:
        return f"{name}() without {_KEYWORD[name]}"
    if last in _SHUFFLERS and _is_true(call, "shuffle") and "random_state" not in given:
        return f"{last}(shuffle=True) without random_state"
    if (
        name.startswith("?.")
        and last in ("sample", "shuffle")
        and given & {"n", "fraction", "frac", "with_replacement"}
    ):
        return "" if given & {"seed", "random_state"} else f".{last}() of a frame without a seed"
    return ""


def _is_true(call: ast.Call, name: str) -> bool:
    values = [keyword.value for keyword in call.keywords if keyword.arg == name]
    return any(isinstance(value, ast.Constant) and value.value is True for value in values)


def files() -> list[Path]:
    """Return the tracked files that are read: code, settings and scripts, not prose."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    names = [Path(name) for name in done.stdout.split("\0") if name]
    read = [name for name in names if name.suffix in TEXT or name.name in NAMED]
    return [ROOT / name for name in read if name.name != PLANTED]


def _name(file: Path) -> str:
    return str(file.relative_to(ROOT) if file.is_relative_to(ROOT) else file)


def main() -> None:
    """Print the faults of the files that are named, or of all; exits with 1 if there is one."""
    chosen = [Path(name).resolve() for name in sys.argv[1:]] or files()
    found = [
        fault
        for file in chosen
        if file.is_file()
        for fault in faults_of(_name(file), file.read_text("utf-8", "replace"))
    ]
    for fault in found:
        print(fault)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
