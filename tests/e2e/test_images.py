"""The images of deploy/Dockerfile, really built and run: `make images` (half an hour and 10 GB the first time)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from copydesk.recipe import parse_recipe
from copydesk.training import train_bundle
from dockerfile import DOCKERFILE, read_dockerfile
from fakes import toy_rows, write_csv
from images import Asked, Engine, engine, running
from mlflow_server import mlflow_server
from postgres_server import free_port
from redis_server import RedisServer
from server_process import server_process

ASKED = os.environ.get("COPYDESK_IMAGES", "")  # 1, or `built`: run what was built before
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(ASKED not in ("1", "built"), reason="builds images for many minutes: make images"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
ROOT = DOCKERFILE.parent.parent
TEXTS = [text for text, _ in toy_rows(40, seed=11)]
MOST_ADDED_MB = 300.0
_LOOK = """
import importlib.util, json, os, shutil, tempfile
NAMES = "torch", "transformers", "pip", "ensurepip", "setuptools"
def refused(path):
    try: open(path, "w").close()
    except OSError: return True
    return False
print(json.dumps({
    "user": os.getuid(), "groups": os.getgroups(),
    "read_only": all(map(refused, ["/x", "/opt/copydesk/x", "/etc/x", "/opt/bundle/x"])),
    "written": [
        not refused(f"{path}/x") for path in (tempfile.gettempdir(), "/var/lib/copydesk", "/var/cache/copydesk")
    ],
    "programs": [name for name in ("cc", "gcc", "g++", "make", "pip", "git", "curl") if shutil.which(name)],
    "modules": [name for name in NAMES if importlib.util.find_spec(name)],
}))
"""


@pytest.fixture(scope="module")
def docker() -> Iterator[Engine]:
    """Yield what builds images here; COPYDESK_IMAGES was set, so there must be something."""
    found = engine()
    assert found is not None, "neither Docker nor buildah as root is here, and IMAGE_BUILD names no program"
    yield found
    found.close()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a linear bundle."""
    folder = tmp_path_factory.mktemp("bundle")
    recipe = parse_recipe({"name": "toy", "model": {"kind": "linear"}, "gate": {"floors": {"accuracy": 0.5}}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COPYDESK_TRACKING", "off")
        patch.setenv("COPYDESK_CACHE", str(folder / "cache"))
        return train_bundle(recipe, data=write_csv(folder / "toy.csv", toy_rows(720)), out=folder / "toy").path


def _context(folder: Path, *, bundle: Path | None = None) -> Path:
    """Copy what the checkout's .dockerignore lets through, and a bundle to be baked in."""
    for name in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE", ".dockerignore"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("src", "recipes", "deploy"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "secrets"))
    if bundle is not None:
        shutil.copytree(bundle, folder / "bundles" / "toy")
    return folder


def _build(docker: Engine, tag: str, context: Path, target: str, arguments: dict[str, str]) -> None:
    if ASKED == "1":
        docker.build(tag, context, target, arguments)


def _look(docker: Engine, tag: str) -> dict[str, object]:
    command = docker.command(tag, Asked(entry=("python", "-c", _LOOK)))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def _answers(port: int, path: str = "/readyz") -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def _tell(capsys: pytest.CaptureFixture[str], line: str) -> None:
    with capsys.disabled():
        print(f"\n  {line}", end="", flush=True)  # noqa: T201 (what was measured)


def test_serve_answers_with_a_baked_bundle_as_nobody_in_particular_and_writes_nowhere(
    docker: Engine, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tag, port = "copydesk-serve:baked", free_port()
    _build(docker, tag, _context(tmp_path, bundle=bundle), "serve", {"BUNDLE": "bundles/toy"})
    added = docker.size_mb(tag) - docker.size_mb(read_dockerfile()["run"].base)
    _tell(capsys, f"serve with a baked bundle: {added:.0f} MB above its base")
    assert added <= MOST_ADDED_MB
    found = _look(docker, tag)
    assert found["user"] == 10001 and found["read_only"] and found["written"] == [True] * 3
    assert found["programs"] == [] and found["modules"] == []
    starts = []
    for number in range(3):
        with running(docker, tag, Asked(("--port", str(port), "--drain", "0")), tmp_path / "log") as container:
            starts.append(container.until(lambda: _answers(port)))
            answer = httpx.post(f"http://127.0.0.1:{port}/v1/classify", json={"texts": TEXTS}).json()
            assert len(answer["predictions"]) == len(TEXTS), number
    _tell(capsys, f"ready after {', '.join(f'{start:.1f}' for start in starts)} s")


def test_serve_fetches_its_model_and_the_worker_does_a_job(
    docker: Engine, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "context").mkdir()
    context, extras = _context(tmp_path / "context"), {"EXTRAS": "serve,registry,jobs,monitor"}
    _build(docker, "copydesk-serve", context, "serve", {})
    _build(docker, "copydesk-worker", context, "worker", extras)
    base = docker.size_mb(read_dockerfile()["run"].base)
    for tag in ("copydesk-serve", "copydesk-worker"):
        _tell(capsys, f"{tag}: {docker.size_mb(tag) - base:.0f} MB above its base")
    redis = RedisServer(tmp_path, lasting=True).start()
    try:
        with mlflow_server(tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}") as registry:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", registry)
            command = [sys.executable, "-m", "copydesk", "register", str(bundle), "--alias", "staging", "--quiet"]
            subprocess.run(command, check=True)
            model, port, there = "models:/toy@staging", free_port(), {"MLFLOW_TRACKING_URI": registry}
            asked = Asked((model, "--port", str(port), "--drain", "0"), environment=there)
            with running(docker, "copydesk-serve", asked, tmp_path / "serve.log") as container:
                _tell(capsys, f"serve, model fetched: ready after {container.until(lambda: _answers(port)):.1f} s")
                served = httpx.get(f"http://127.0.0.1:{port}/v1/models").json()["models"][0]
                assert served["version"] == "1"
            asked = Asked(environment={**there, "COPYDESK_JOBS": redis.url})
            with (
                running(docker, "copydesk-worker", asked, tmp_path / "worker.log"),
                server_process(Path(model), tmp_path, "--jobs", redis.url) as server,
                httpx.Client(base_url=server.url, timeout=30) as client,
            ):
                job = client.post("/v1/jobs", json={"texts": TEXTS}).json()["id"]
                ends_at = time.monotonic() + 120
                while (answer := client.get(f"/v1/jobs/{job}")).status_code == 202:
                    assert time.monotonic() < ends_at, (tmp_path / "worker.log").read_text()
                    time.sleep(0.1)
                assert len(answer.json()["predictions"]) == len(TEXTS)
    finally:
        redis.stop()


def test_train_makes_a_bundle_of_a_projects_data(
    docker: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "context").mkdir()
    _build(docker, "copydesk-train", _context(tmp_path / "context"), "train", {})
    base = docker.size_mb(read_dockerfile()["run"].base)
    _tell(capsys, f"copydesk-train: {docker.size_mb('copydesk-train') - base:.0f} MB above its base")
    project = tmp_path / "project"
    project.mkdir()
    write_csv(project / "toy.csv", toy_rows())
    (project / "recipe.yaml").write_text("name: toy\nmodel: {kind: linear}\n", "utf-8")
    for file in (tmp_path, project, *project.iterdir()):
        file.chmod(0o755)
    words = ("train", "/project/recipe.yaml", "--data", "/project/toy.csv", "--out", "made", "--json")
    environment = {"COPYDESK_TRACKING": "off"}
    asked = Asked(words, environment=environment, mounts={str(project): "/project"})
    began = time.monotonic()
    done = subprocess.run(docker.command("copydesk-train", asked), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["bundle"] == "made"
    _tell(capsys, f"train, the linear model of 240 texts: {time.monotonic() - began:.0f} s")


def test_mlflow_answers(docker: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "context").mkdir()
    _build(docker, "copydesk-mlflow", _context(tmp_path / "context"), "mlflow", {})
    base = docker.size_mb(read_dockerfile()["run"].base)
    _tell(capsys, f"copydesk-mlflow: {docker.size_mb('copydesk-mlflow') - base:.0f} MB above its base")
    port = free_port()
    words = ("--port", str(port), "--workers", "1", "--backend-store-uri", "sqlite:////var/lib/copydesk/mlflow.db")
    as_in_compose = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with running(docker, "copydesk-mlflow", Asked(words, environment=as_in_compose), tmp_path / "log") as container:
        _tell(capsys, f"mlflow: ready after {container.until(lambda: _answers(port, '/health')):.1f} s")


def test_a_project_with_a_wheel_and_requirements_is_a_context_too(docker: Engine, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    make = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", wheels, ROOT]
    subprocess.run(make, check=True)
    (wheel,) = wheels.glob("copydesk-*.whl")
    (tmp_path / "requirements.txt").write_text(
        f"--constraint constraints.txt\n./wheels/{wheel.name}[train,minilm]\n", "utf-8"
    )
    shutil.copy(ROOT / "constraints.txt", tmp_path / "constraints.txt")
    _build(docker, "copydesk-serve:project", tmp_path, "serve", {"EXTRAS": "serve"})
    command = docker.command("copydesk-serve:project", Asked(("--version",), entry=("copydesk",)))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("copydesk ")
    assert _look(docker, "copydesk-serve:project")["modules"] == []
