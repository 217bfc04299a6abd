"""What the trials of installed wheels work on, and the servers they ask: made by the sources of this checkout."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType

from release.packages import ROOT

ROWS = 600


def _of_tests(name: str) -> ModuleType:
    """Import a module of the tests: their tiny encoder, their servers."""
    from importlib import import_module

    if str(ROOT / "tests") not in sys.path:
        sys.path.append(str(ROOT / "tests"))
    return import_module(name)


def make_materials(folder: Path) -> None:
    """Write sample headlines, a linear model's bundle, a tiny encoder and its exported bundle."""
    os.environ["COPYDESK_TRACKING"] = "off"
    from copydesk.data.sample import write_sample
    from copydesk.recipe import load_recipe, override
    from copydesk.training import train_bundle

    folder.mkdir(parents=True)
    rows = folder / "headlines.csv"
    write_sample(rows, ROWS)
    recipe = load_recipe(ROOT / "recipes" / "clickbait.yaml", {"behaviours": None, "text": ["text"]})
    train_bundle(override(recipe, {"model.kind": "linear"}), data=rows, out=folder / "linear")
    tiny = _of_tests("fakes").write_tiny_encoder(folder / "tiny")
    small = {"model.encoder": str(tiny), "model.max_tokens": 32, "train.epochs": 1, "runtime.precision": "fp32"}
    train_bundle(override(recipe, small), data=rows, out=folder / "encoder")
    if not list((folder / "encoder" / "model").glob("*.onnx")):
        raise RuntimeError("the tiny encoder was not exported: nothing without torch could answer with it")


@contextmanager
def servers(materials: Path, folder: Path, wanted: frozenset[str]) -> Iterator[dict[str, str]]:
    """Yield the environment that leads trials to the servers they want: `mlflow`, `s3`, `redis`, `copydesk`."""
    starts = {"mlflow": _mlflow, "s3": _s3, "redis": _redis, "copydesk": _copydesk}
    with ExitStack() as stack:
        found: dict[str, str] = {}
        for name in sorted(wanted):
            found |= stack.enter_context(starts[name](materials, folder))
        yield found


@contextmanager
def _mlflow(materials: Path, folder: Path) -> Iterator[dict[str, str]]:
    with _of_tests("mlflow_server").mlflow_server(folder, f"sqlite:///{folder / 'mlflow.db'}") as address:
        yield {"MLFLOW_TRACKING_URI": address}


@contextmanager
def _redis(materials: Path, folder: Path) -> Iterator[dict[str, str]]:
    if shutil.which("redis-server") is None:
        yield {}
        return
    server = _of_tests("redis_server").RedisServer(folder).start()
    try:
        yield {"COPYDESK_TRIAL_REDIS": server.url}
    finally:
        server.stop()


@contextmanager
def _s3(materials: Path, folder: Path) -> Iterator[dict[str, str]]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    leads = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_DEFAULT_REGION": "us-east-1"}
    leads |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    client = boto3.client(
        "s3",
        endpoint_url=leads["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    client.create_bucket(Bucket="bucket")
    client.upload_file(str(materials / "headlines.csv"), "bucket", "headlines.csv")
    try:
        yield {**leads, "COPYDESK_TRIAL_BUCKET": "s3://bucket"}
    finally:
        server.stop()


@contextmanager
def _copydesk(materials: Path, folder: Path) -> Iterator[dict[str, str]]:
    with _of_tests("server_process").server_process(materials / "linear", folder) as server:
        yield {"COPYDESK_TRIAL_SERVER": server.url}
