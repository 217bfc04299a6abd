"""onnxruntime reports to Microsoft from its import on; in Copydesk it does not get to it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import copydesk

FOLDERS = (Path(copydesk.__file__).parent, Path(__file__).parent.parent / "bench")
WATCHED = """
import os, sys, time
{work}
time.sleep(0.3)
files = [os.readlink(f"/proc/self/fd/{{name}}") for name in os.listdir("/proc/self/fd") if name > "2"
         and os.path.lexists(f"/proc/self/fd/{{name}}")]
print(sum(name.startswith("socket:") for name in files))
print(os.environ.get("ORT_DISABLE_TELEMETRY"), "onnxruntime" in sys.modules)
"""


def _watched(work: str, home: Path) -> tuple[list[str], list[Path]]:
    """Return what a process of its own printed, and the files it left in an empty home."""
    hidden = {"CI", "GITHUB_ACTIONS", "TF_BUILD", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    code = WATCHED.format(work=work)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split(), [path for path in home.rglob("*") if path.is_file()]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open sockets are listed by Linux")
def test_an_encoder_answers_without_a_socket_or_a_device_id(encoder_bundles: dict[str, Path], tmp_path: Path) -> None:
    work = f"import copydesk; copydesk.load({str(encoder_bundles['int8'])!r}).predict(['goal match'])"
    printed, left = _watched(work, tmp_path)
    assert printed == ["0", "1", "True"]
    assert left == []


def test_exporting_does_not_import_onnxruntime_by_another_way(tmp_path: Path) -> None:
    work = "import copydesk.runtime.compile, torch.onnx, onnxscript"
    printed, _ = _watched(work, tmp_path)
    assert printed[-1] == "False"


def test_onnxruntime_is_imported_in_one_place_only() -> None:
    found = set()
    for path in (path for folder in FOLDERS for path in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.partition(".")[0] == "onnxruntime" for name in names):
                found.add(path.relative_to(path.parent.parent).as_posix())
    assert found == {"models/compiled.py"}
