"""Who may import whom, read from the code itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import copydesk

ROOT = Path(copydesk.__file__).parent
OPEN_TO_ALL = {
    "types",
    "errors",
    "recipe",
    "normalise",
    "files",
    "git",
    "paths",
    "progress",
    "retry_after",
    "shipped",
    "",
}
ALLOWED: dict[str, set[str]] = {
    "types": set(),
    "errors": set(),
    "extras": {"errors"},
    "normalise": {"errors"},
    "files": {"errors"},
    "paths": set(),
    "signing": {"errors"},
    "manifest": {"files", "paths", "recipe"},
    "git": set(),
    "mlflow_client": set(),
    "progress": set(),
    "retry_after": set(),
    "shipped": set(),
    "client": set(),
    "ngrams": set(),
    "languages": set(),
    "personal": set(),
    "recipe": {"errors", "normalise"},
    "metrics": set(),
    "tasks": {"metrics"},
    "bundle": {"manifest", "signing", "tasks"},
    "archive": {"bundle", "manifest", "signing"},
    "phrases": set(),
    "remote": set(),
    "bundle_store": {"bundle", "manifest", "remote"},
    "data": {"ngrams", "remote"},
    "collect": {"data", "remote"},
    "models": {"ngrams", "phrases", "tasks", "data"},
    "labelling": {"data", "metrics", "models", "phrases", "slices", "tasks"},
    "slices": {"data", "languages", "metrics"},
    "runtime": {"bundle", "bundle_store", "tasks", "models", "phrases", "registry", "remote"},
    "score": {"bundle", "data", "registry", "remote", "runtime", "tasks"},
    "registry": {"bundle", "bundle_store", "manifest", "mlflow_client", "remote"},
    "behaviour": {"bundle", "manifest", "runtime", "tasks", "metrics", "models", "data", "labelling"},
    "gate": {
        "behaviour",
        "bundle",
        "data",
        "evaluate",
        "labelling",
        "metrics",
        "registry",
        "runtime",
        "slices",
        "tasks",
    },
    "checks": {
        "behaviour",
        "bundle",
        "data",
        "evaluate",
        "fitting",
        "gate",
        "labelling",
        "metrics",
        "mlflow_client",
        "models",
        "monitor",
        "packages",
        "personal",
        "registry",
        "rendering",
        "runtime",
        "serve",
        "slices",
        "tasks",
        "training",
        "tuning",
    },
    "serve": {"bundle", "languages", "page", "models", "monitor", "personal", "registry", "runtime", "tasks"},
    "evaluate": {"metrics", "slices", "tasks", "runtime"},
    "plots": {"metrics"},
    "repair": {"data", "languages", "models", "tasks"},
    "pipeline": {
        "bundle",
        "collect",
        "data",
        "evaluate",
        "labelling",
        "models",
        "remote",
        "runs",
        "training",
    },
    "monitor": {"bundle", "data", "metrics", "ngrams", "rendering"},
    "page": set(),
    "packages": set(),
    "signals": {"data", "monitor", "rendering", "runtime", "score"},
    "review": {"data", "page"},
    "retraining": {"bundle", "data", "monitor", "pipeline", "registry"},
    "rendering": set(),
    "report_page": {"plots", "metrics", "rendering"},
    "report_tables": set(),
    "project": {"data", "deployment", "pipeline"},
    "card": {"bundle"},
    "runs": {"bundle", "data", "models", "remote"},
    "tracking": {"mlflow_client"},
    "fitting": {"cascade", "data", "models", "runtime", "tasks"},
    "cascade": {"data", "models", "tasks", "metrics", "evaluate"},
    "pair": {"bundle", "cascade", "data", "fitting", "models", "runs", "runtime", "training"},
    "training_reference": {"bundle", "data", "evaluate", "languages", "models", "monitor", "runtime", "tasks"},
    "training": {
        "training_reference",
        "behaviour",
        "cascade",
        "data",
        "fitting",
        "labelling",
        "models",
        "slices",
        "tasks",
        "tracking",
        "bundle",
        "bundle_store",
        "evaluate",
        "report_page",
        "card",
        "packages",
        "registry",
        "runtime",
        "runs",
    },
    "tuning": {"data", "models", "tasks", "training", "runs", "plots", "rendering"},
    "deployment": {"registry", "shipped"},
    "describe": {"data", "languages", "metrics", "models", "plots", "rendering"},
    "compare": {"data", "bundle", "fitting", "training", "runs", "pair", "runtime"},
    "export": {"bundle", "data", "fitting", "models", "training", "runs"},
    "demo": {"bundle", "data", "compare", "remote", "runtime", "training", "runs"},
    "__main__": {"cli"},
}
FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def _room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def _imports(path: Path) -> set[str]:
    """Return the rooms of Copydesk that a file imports, at its top or inside its functions."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("copydesk"):
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "copydesk" else [module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("copydesk")]
        rooms |= {name.split(".")[1] if "." in name else "" for name in names}
    return {"" if room.startswith("__version__") else room for room in rooms}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_from_rooms_below_its_own(path: Path) -> None:
    room = _room(path)
    if room == "cli":
        return
    forbidden = _imports(path) - ALLOWED[room] - OPEN_TO_ALL - {room}
    assert not forbidden, f"{path.relative_to(ROOT)} may not import {sorted(forbidden)}"


def test_every_room_is_on_the_list() -> None:
    assert {_room(path) for path in FILES} - {"cli"} <= set(ALLOWED)


def test_models_need_data_only_to_train() -> None:
    for name in (
        "base",
        "batches",
        "cascade",
        "checkpoints",
        "choices",
        "encoder",
        "linear",
        "losses",
        "tokens",
        "weights",
    ):
        assert "data" not in _imports(ROOT / "models" / f"{name}.py")


def test_the_client_needs_nothing_of_the_server() -> None:
    imported = set().union(*(_imports(path) for path in (ROOT / "client").glob("*.py")))
    assert imported <= {"", "client", "types", "errors", "retry_after"}


def test_importing_copydesk_loads_nothing_heavy() -> None:
    code = (
        "import sys, copydesk\n"
        "heavy = {'torch', 'transformers', 'polars', 'sklearn', 'matplotlib', 'numpy', 'pydantic', 'typer'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
