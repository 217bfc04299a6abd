"""The example workflows' shell steps, run here one after the other: retrain, promote, release, as GitHub would."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fakes import toy_rows, write_csv
from preloaded import Preloaded
from workflows import EXAMPLES, Runner

pytestmark = pytest.mark.e2e
RECIPE = """
name: toy
source: {url: data.csv}
model: {kind: linear}
"""
INSTALLED = ("Install",)


@pytest.fixture
def environment(tmp_path: Path, preloaded: Preloaded) -> dict[str, str]:
    """What GitHub's settings and a runner would give: variables, and `copydesk` on the path."""
    write_csv(tmp_path / "data.csv", toy_rows(600))
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    (tmp_path / "bin").mkdir()
    preloaded.write_program(tmp_path / "bin" / "copydesk")
    kept = {name: os.environ[name] for name in ("PYTHONPATH", "OMP_NUM_THREADS", "HOME") if name in os.environ}
    return {
        **kept,
        "PATH": f"{tmp_path / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TMPDIR": str(tmp_path),
        "RECIPE": "recipe.yaml",
        "COPYDESK_REGISTRY": "models:/",
        "COPYDESK_CACHE": str(tmp_path / "cache"),
        "COPYDESK_TRACKING": "off",
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'registry.db'}",
    }


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """A private key as a secret, its public half as a file of the project."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    for words in ("genpkey -algorithm ed25519 -out key.pem", "pkey -in key.pem -pubout -out trusted.pem"):
        subprocess.run(["openssl", *words.split()], cwd=tmp_path, check=True, capture_output=True)
    private = (tmp_path / "key.pem").read_text()
    (tmp_path / "key.pem").unlink()
    return {"SIGNING_KEY": private, "COPYDESK_TRUSTED_KEYS": "trusted.pem"}


def _copydesk(words: str, folder: Path, environment: dict[str, str]) -> str:
    command = ["copydesk", *words.split()]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_week_of_a_project(tmp_path: Path, environment: dict[str, str], keys: dict[str, str]) -> None:
    trained = Runner(tmp_path, {**environment, **keys}).run(EXAMPLES / "retrain.yml", "train", skip=INSTALLED)
    assert trained == {"name": "toy", "version": "1"}

    asked = {"NAME": trained["name"], "VERSION": trained["version"]}
    promoting = Runner(tmp_path, {**environment, **keys, **asked})
    promoting.run(EXAMPLES / "promote.yml", "promote", skip=INSTALLED)
    assert (tmp_path / "decision.txt").read_text() and list((tmp_path / "checks").iterdir())
    shown = _copydesk("models toy --json", tmp_path, environment)
    assert {"production", "staging"} <= set(json.loads(shown)["versions"][0]["aliases"])

    Runner(tmp_path, {**environment, **keys, "TAG": "toy-v1"}).run(EXAMPLES / "release.yml", "pack", skip=INSTALLED)
    check = ["sha256sum", "--check", "toy-v1.tar.gz.sha256"]
    assert subprocess.run(check, cwd=tmp_path / "dist", check=True, capture_output=True).stdout
    _copydesk("unpack dist/toy-v1.tar.gz --out taken --trust trusted.pem", tmp_path, environment)
    assert _copydesk("predict taken goal --trust trusted.pem", tmp_path, environment).startswith("sport\t")
    assert not [path for path in tmp_path.glob("tmp.*")], "the private key does not stay on the disk"


def test_an_unsigned_version_is_not_promoted_where_keys_are_trusted(
    tmp_path: Path, environment: dict[str, str], keys: dict[str, str]
) -> None:
    unsigned = {**environment, "SIGNING_KEY": ""}
    trained = Runner(tmp_path, unsigned).run(EXAMPLES / "retrain.yml", "train", skip=INSTALLED)
    asked = {"NAME": trained["name"], "VERSION": trained["version"]}
    promoting = Runner(tmp_path, {**environment, **keys, **asked})
    with pytest.raises(subprocess.CalledProcessError):
        promoting.run(EXAMPLES / "promote.yml", "promote", skip=INSTALLED)
    assert "is not signed" in promoting.printed
