"""What is done in a page's folder before its first block, where that is more than to copy what is made for all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from urllib.request import Request, urlopen

import polars as pl
import yaml

from documents.pages import ROOT, blocks
from documents.place import Place
from documents.world import ASKED, MORE, TRAINED, of, write_rows

Prepare = Callable[[Place], object]


def runs(script: str) -> Prepare:
    """Run commands."""
    return lambda place: place.run(place.with_ports(script))


def copied(made: str, name: str) -> Prepare:
    """Give something that is made for all pages a name of the page's own."""
    return lambda place: place.take(made, name)


def repository(place: Place) -> None:
    """Let the page find the repository's `deploy/`."""
    (place.folder / "deploy").symlink_to(ROOT / "deploy")


def of_the_repository(*pairs: tuple[str, str]) -> Prepare:
    """Copy files and folders of the repository, each under a name of the page's own."""

    def prepare(place: Place) -> None:
        for source, name in pairs:
            (shutil.copytree if (ROOT / source).is_dir() else shutil.copy2)(ROOT / source, place.folder / name)

    return prepare


def somebody(place: Place) -> None:
    """Be somebody with an empty home, whom git knows by name."""
    (place.state / "home").mkdir()
    who = {f"GIT_{role}_{what}": "ada@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    place.set({**who, "HOME": str(place.state / "home")})


def packed(name: str) -> Prepare:
    """Leave a signed archive of the bundle, its checksum and the trusted key, as a release does."""
    script = (
        "openssl genpkey -algorithm ed25519 -out signing.pem\n"
        "openssl pkey -in signing.pem -pubout -out trusted.pem\n"
        "copydesk sign bundles/clickbait-1 --key signing.pem\n"
        f"copydesk pack bundles/clickbait-1 --out {name}\n"
        f"sha256sum {name} > {name}.sha256\n"
    )
    return lambda place: place.run(script)


def earlier_headlines(place: Place) -> None:
    """Write the headlines of an earlier model, many with the wrong label, with the columns of YOUR.csv."""
    lines = place.world.made("earlier.csv").read_text("utf-8").splitlines()
    (place.folder / "earlier.csv").write_text("\n".join(["headline,kind", *lines[1:]]) + "\n", "utf-8")


def lessons(place: Place) -> None:
    """Write what `copydesk check --suggest-augmentation` writes: rows with the recipe's columns."""
    rows = [{"text": f"{text}, again", "label": label} for text, label in of(MORE)[:40]]
    (place.folder / "lessons.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def abstracts(place: Place) -> None:
    """Write abstracts with several labels each."""
    subjects = {"news": ["cs.CL"], "clickbait": ["cs.LG", "stat.ML"]}
    rows = [
        {"title": text, "abstract": f"We show that {text}.", "labels": subjects[kind]} for text, kind in of(TRAINED)
    ]
    pl.DataFrame(rows).write_parquet(place.folder / "abstracts.parquet")


def labels_of_the_log(place: Place) -> None:
    """Write labels of some of the log's answers, of one that is not there, and a random sample of all."""
    found = pl.read_parquet(place.folder / "log" / "**" / "*.parquet").select("id", "text")
    truth = dict(of(ASKED))
    rows = [(name, truth[text]) for name, text in found.rows()]
    write_rows(place.folder / "labels.csv", [*rows[:2], ("9.00000001", "news")], ("id", "label"))
    write_rows(place.folder / "sample.csv", rows[10:60], ("id", "label"))


def labelling(place: Place) -> None:
    """Write a recipe with labelling functions, and news to label."""
    (place.folder / "recipes").mkdir()
    (place.folder / "raw").mkdir()
    recipe = "name: news\ntext: [title]\nweak: {functions: [rules.yaml]}\n"
    (place.folder / "recipes" / "news.yaml").write_text(recipe)
    rules = {
        "games": ("Sports", "win|match|league"),
        "deals": ("Business", "market|budget|bank"),
        "numbers": ("List", "^[0-9]"),
    }
    functions = {name: {"label": label, "regex": f"(?i){words}"} for name, (label, words) in rules.items()}
    (place.folder / "recipes" / "rules.yaml").write_text(json.dumps({"functions": functions}))
    pl.DataFrame({"title": [text for text, _ in of(TRAINED)]}).write_parquet(place.folder / "raw" / "news-1.parquet")


def compose(place: Place) -> None:
    """Copy the compose file beside one that includes it."""
    for file in (ROOT / "deploy").iterdir():
        (shutil.copytree if file.is_dir() else shutil.copy2)(file, place.folder / file.name)
    (place.folder / "compose.yaml").write_text("include:\n  - monitoring.compose.yml\n")


def redis(place: Place) -> None:
    """Start a Redis."""
    from redis_server import RedisServer

    folder = place.state / "redis"
    folder.mkdir()
    server = RedisServer(folder).start()
    place.closers.append(server.stop)
    place.values["redis"] = server.url


def postgres(place: Place) -> None:
    """Start a PostgreSQL."""
    from postgres_server import running_postgres

    place.values["postgres"] = _opened(place, running_postgres()).url


def hub(place: Place) -> None:
    """Start a Hugging Face Hub on which OWNER may write; its client reads the environment once, so none is forked."""
    from hub_server import ModelHub
    from servers import running

    server = _opened(place, running(ModelHub({"hf_token": "OWNER"})))
    switches = {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(place.state / "hub")}
    place.set({**switches, "HF_ENDPOINT": server.root, "DOCUMENTS_FORK": "off"})


def bucket(name: str, *made: str) -> Prepare:
    """Start an S3 with a bucket that holds what is made for all pages, under the same names."""

    def prepare(place: Place) -> None:
        import boto3
        from moto.server import ThreadedMotoServer

        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        place.closers.append(server.stop)
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        with urlopen(Request(f"{address}/moto-api/reset", method="POST")):
            pass  # a new server still has the last one's objects
        who = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
        place.set({"AWS_ENDPOINT_URL": address, "AWS_DEFAULT_REGION": who["region_name"]})
        place.set({key.upper(): value for key, value in who.items() if key.startswith("aws")})
        client = boto3.client("s3", endpoint_url=address, **who)
        client.create_bucket(Bucket=name)
        for path in map(place.world.made, made):
            for file in [path, *path.rglob("*")]:
                if file.is_file():
                    client.upload_file(str(file), name, str(file.relative_to(place.world.place.folder)))

    return prepare


def some_headlines(folder: str) -> Prepare:
    """Write a folder of headlines."""

    def prepare(place: Place) -> None:
        (place.folder / folder).mkdir(parents=True)
        place.take("2026/01.parquet", f"{folder}/01.parquet")

    return prepare


def coming_from(page: str, recipe: str, label: str, *parts: str) -> Prepare:
    """Write a page's own recipe, with a model that trains in seconds, and its files of headlines."""

    def prepare(place: Place) -> None:
        values = yaml.safe_load(next(block.text for block in blocks(page) if block.language == "yaml"))
        values["model"] = {"kind": "linear"}
        (place.folder / recipe).write_text(yaml.safe_dump(values), "utf-8")
        for part, rows in zip(parts, (TRAINED, MORE), strict=True):
            path = place.folder / part
            path.parent.mkdir(exist_ok=True)
            frame = pl.DataFrame(of(rows), schema=["text", label], orient="row")
            (frame.write_ndjson if path.suffix == ".jsonl" else frame.write_csv)(path)

    return prepare


def an_encoders_bundle(name: str) -> Prepare:
    """Train a tiny encoder."""
    return runs(
        f"copydesk train recipes/clickbait.yaml --set model.kind=encoder --set runtime.precision=none --out {name}"
    )


def _opened(place: Place, server: Any) -> Any:  # noqa: ANN401 (whatever a server is)
    stack = ExitStack()
    place.closers.append(stack.close)
    return stack.enter_context(server)
