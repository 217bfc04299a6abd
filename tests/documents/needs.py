"""What each page needs beforehand, what of it is replaced and why, and what is not run and why.

A page that is not in `NEEDS` runs as it stands, in an empty folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from documents.place import Place
from documents.preparing import (
    abstracts,
    an_encoders_bundle,
    bucket,
    coming_from,
    compose,
    copied,
    earlier_headlines,
    hub,
    labelling,
    labels_of_the_log,
    lessons,
    of_the_repository,
    packed,
    postgres,
    redis,
    repository,
    runs,
    some_headlines,
    somebody,
)


@dataclass(frozen=True)
class Replaced:
    """What the page says, what is run in its place (with the place's `values` in braces), and why."""

    old: str
    new: str
    why: str


@dataclass(frozen=True)
class NotRun:
    """A block that is not run here, known by its first line, and why; `runs_in` is a page that runs all its lines."""

    first_line: str
    why: str
    runs_in: str = ""


@dataclass(frozen=True)
class Fails:
    """A command that must end with this exit code."""

    command: str
    code: int
    why: str


@dataclass(frozen=True)
class Needs:
    """What a page needs: what is made for all pages, what is done for it alone; `python` runs before its Python."""

    made: tuple[str, ...] = ()
    before: tuple[Callable[[Place], object], ...] = ()
    replaced: tuple[Replaced, ...] = ()
    not_run: tuple[NotRun, ...] = ()
    fails: tuple[Fails, ...] = ()
    python: str = ""


RECIPES = ("recipes", "headlines.csv")
MODEL = (*RECIPES, "datasets/clickbait-1", "bundles/clickbait-1")
SERVED = (*MODEL, "mlflow.db")
LOGGED = (*SERVED, "log")
SETTINGS = of_the_repository(("deploy/deploy.yaml", "deploy.yaml"))
IN_TEN_MINUTES = NotRun(
    "copydesk init demo --recipe clickbait", "the longest way there is, once is enough", runs_in="docs/quickstart.md"
)
FEWER_CHECKS = "sed -i 's/check bundle/check bundle --only monitoring/' dvc.yaml"
LINEAR = Replaced(
    "cd demo",
    "cd demo\n"
    "sed -i 's/kind: encoder/kind: linear/; s/floors: .accuracy.*/floors: {{accuracy: 0.6}}/' recipe.yaml\n"
    "sed -i 's/required: [0-9.]*/required: 0/' behaviours/*.yaml\n"
    f"{FEWER_CHECKS}",
    "a model that trains in seconds, some of the checks; e2e/test_project_story.py has the encoder and all of them",
)

NEEDS: dict[str, Needs] = {
    "README.md": Needs(
        made=("recipes", "headlines.csv", "YOUR.csv", "MORE.csv", "log"),
        before=(
            earlier_headlines,
            runs(
                "copydesk train recipes/clickbait.yaml --data earlier.csv --text headline --label kind "
                "--out bundles/one\n"
                "copydesk register bundles/one\n"
                "copydesk promote clickbait 1 --force --reason 'the first one' --data earlier.csv"
            ),
        ),
        replaced=(
            Replaced(
                "retrain recipes/clickbait.yaml",
                "retrain recipes/clickbait.yaml --no-check",
                "docs/retrain.md checks too",
            ),
        ),
        not_run=(IN_TEN_MINUTES,),
    ),
    "docs/automation.md": Needs(
        made=SERVED,
        before=(repository, packed("clickbait-v3.tar.gz")),
        replaced=(Replaced("https://hooks.example/", "https://1.1.1.1/", "MLflow looks the name up; nobody is asked"),),
        python="import os; os.environ['MLFLOW_TRACKING_URI'] = 'sqlite:///mlflow.db'",
    ),
    "docs/behaviours.md": Needs(
        made=MODEL,
        before=(
            lessons,
            runs(
                "copydesk train recipes/clickbait.yaml --data datasets/clickbait-1 --out bundles/tested "
                "--set behaviours=$PWD/recipes/behaviours/clickbait.yaml"
            ),
        ),
        python="import copydesk\n"
        "classifier = copydesk.load('bundles/tested')\n"
        "texts, labels = ['17 things you did not know', 'Parliament passes budget'], ['clickbait', 'news']",
    ),
    "docs/bundle.md": Needs(
        made=MODEL,
        python="from pathlib import Path\n"
        "from copydesk.bundle import open_bundle\n"
        "bundle, test_texts = open_bundle(Path('bundles/clickbait-1')), ['17 things you did not know']",
    ),
    "docs/capacity.md": Needs(made=MODEL, before=(copied("headlines.csv", "YOUR.csv"),)),
    "docs/cascade.md": Needs(made=MODEL),
    "docs/checks.md": Needs(
        made=("recipes", "reviews.tsv", "bundles/restaurant-1"),
        before=(runs("copydesk register bundles/restaurant-1 --alias staging"),),
        replaced=(
            Replaced("--min-score 4", "--min-score 0 --only monitoring", "all checks ran above; few texts score less"),
        ),
    ),
    "docs/client.md": Needs(
        made=MODEL,
        before=(runs("COPYDESK_API_KEYS=at-least-16-characters copydesk serve bundles/clickbait-1"),),
        python="headlines = ['17 things you did not know', 'Parliament passes budget']",
    ),
    "docs/cloud.md": Needs(before=(SETTINGS, of_the_repository(("recipes/clickbait.yaml", "recipe.yaml")))),
    "docs/coming-from-autotrain.md": Needs(
        before=(
            coming_from(
                "docs/coming-from-autotrain.md", "clickbait.yaml", "target", "data/train.csv", "data/valid.csv"
            ),
        ),
    ),
    "docs/coming-from-fastapi.md": Needs(made=MODEL),
    "docs/coming-from-setfit.md": Needs(
        before=(coming_from("docs/coming-from-setfit.md", "clickbait.yaml", "label", "train.csv", "test.csv"),),
    ),
    "docs/coming-from-spacy.md": Needs(
        before=(coming_from("docs/coming-from-spacy.md", "headlines.yaml", "label", "train.jsonl", "dev.jsonl"),),
    ),
    "docs/compose.md": Needs(
        made=MODEL,
        before=(of_the_repository(("deploy", "deploy")),),
        replaced=(
            Replaced("http://127.0.0.1:5000", "sqlite:///mlflow.db", "e2e/test_compose_processes.py has a server"),
        ),
    ),
    "docs/describe.md": Needs(made=(*MODEL, "reviews.csv"), before=(abstracts,)),
    "docs/feedback.md": Needs(
        made=LOGGED,
        before=(
            labels_of_the_log,
            runs(
                "copydesk monitor queue models:/clickbait@production --log log\n"
                "copydesk review reviews/clickbait-1.jsonl"
            ),
            runs("end-all"),
        ),
    ),
    "docs/gate.md": Needs(
        made=SERVED,
        before=(
            copied("bundles/clickbait-1", "bundles/clickbait-2"),
            copied("headlines.csv", "fresh.csv"),
            copied("recipes/clickbait.yaml", "clickbait.yaml"),
        ),
        fails=tuple(
            Fails(f"copydesk promote clickbait 2 {options}", 2, "one of three ways: the first promoted this version")
            for options in ("--data fresh.csv", "--recipe clickbait.yaml")
        ),
    ),
    "docs/distributed.md": Needs(before=(SETTINGS,)),
    "docs/images.md": Needs(made=MODEL, before=(repository,)),
    "docs/incidents.md": Needs(
        made=SERVED,
        before=(
            runs(
                "copydesk register bundles/clickbait-1\n"
                "copydesk promote clickbait 2 --force --reason 'it shall be gone back from'\n"
                "copydesk pack models:/clickbait/1 --out clickbait-v1.tar.gz\n"
                "copydesk serve models:/clickbait@production"
            ),
        ),
        replaced=(
            Replaced(
                "copydesk serve bundles/", "end-all\ncopydesk serve bundles/", "the server before it has the port"
            ),
        ),
    ),
    "docs/init.md": Needs(before=(somebody,), not_run=(IN_TEN_MINUTES,)),
    "docs/jobs.md": Needs(
        made=SERVED,
        before=(redis,),
        replaced=(Replaced("redis://queue:6379/0", "{redis}", "the tests' Redis is on this machine"),),
    ),
    "docs/kubernetes.md": Needs(before=(SETTINGS,)),
    "docs/label.md": Needs(before=(labelling,)),
    "docs/monitor.md": Needs(
        made=SERVED,
        before=(copied("log", "serving/log"),),
    ),
    "docs/operations.md": Needs(before=(compose,)),
    "docs/personal.md": Needs(python="texts = ['Call Ann, 212-555-0123', 'nothing']"),
    "docs/pipeline.md": Needs(
        before=(somebody, bucket("newsroom")),
        replaced=(
            Replaced("cd desk", f"cd desk\n{FEWER_CHECKS}", "README.md and docs/checks.md run all 28"),
            Replaced("s3://BUCKET/PATH", "s3://newsroom/desk", "the tests' S3"),
        ),
    ),
    "docs/prediction-log.md": Needs(
        made=LOGGED,
        before=(postgres,),
        replaced=(
            Replaced("postgresql://copydesk@db/monitoring", "{postgres}", "the tests' PostgreSQL is on this machine"),
        ),
        not_run=(
            NotRun(
                "SELECT version, labels[1] AS label, count(*), avg(confidence) FROM 'log/**/*.parquet' "
                "GROUP BY ALL ORDER BY 3 DESC;",
                "DuckDB, which Copydesk does not need, is not installed",
            ),
        ),
        python="import polars as pl",
    ),
    "docs/registry-hubs.md": Needs(
        made=MODEL,
        before=(hub,),
        replaced=(Replaced("HF_TOKEN=…", "HF_TOKEN=hf_token", "the token that the tests' hub knows"),),
    ),
    "docs/registry.md": Needs(made=SERVED),
    "docs/repair.md": Needs(made=RECIPES),
    "docs/retrain.md": Needs(made=LOGGED),
    "docs/review.md": Needs(
        made=RECIPES,
        before=(runs("copydesk prepare recipes/clickbait.yaml --find-label-errors --review-out suspects.jsonl"),),
    ),
    "docs/run.md": Needs(made=("recipes",)),
    "docs/runtime.md": Needs(
        made=RECIPES, before=(an_encoders_bundle("bundles/clickbait-1"), copied("headlines.csv", "YOUR.csv"))
    ),
    "docs/score.md": Needs(
        made=("bundles/clickbait-1", "headlines.csv"),
        before=(
            bucket("newsroom", "2026/01.parquet"),
            some_headlines("shared/in"),
            copied("bundles/clickbait-1", "shared/bundle"),
        ),
        replaced=(
            Replaced(
                "--engine ray", "--engine local", "`ray` is a stand-in; e2e/test_scoring_files.py has a real cluster"
            ),
            Replaced(" /shared/", " shared/", "a folder of the page's own"),
        ),
    ),
    "docs/security.md": Needs(made=MODEL),
    "docs/serve.md": Needs(made=("bundles/clickbait-1",)),
    "docs/signals-report.md": Needs(
        made=("recipes", "raw/signals-1.parquet", "bundles/signals-1"),
        before=(
            runs(
                "copydesk register bundles/signals-1\n"
                "copydesk promote signals 1 --force --reason 'the first one' --data recipes/samples/signals.jsonl\n"
                "copydesk score bundles/signals-1 raw/signals-1.parquet scored/\n"
                "copydesk serve bundles/signals-1 --log serving/log\n"
                "curl -sf localhost:8000/v1/classify -H 'Content-Type: application/json' "
                '-d \'{"text": {"title": "Fire at a chemical plant", "description": ""}}\'\n'
                "end-all"
            ),
        ),
    ),
    "docs/train.md": Needs(
        made=RECIPES,
        before=(bucket("newsroom", "recipes", "headlines.csv"),),
        replaced=(
            Replaced(
                "train recipes/clickbait.yaml",
                "train recipes/clickbait.yaml --set model.kind=encoder",
                "a tiny encoder",
            ),
            Replaced(
                "train s3://newsroom/recipes/clickbait.yaml",
                "train s3://newsroom/recipes/clickbait.yaml --set model.kind=encoder",
                "a tiny encoder",
            ),
        ),
    ),
    "docs/tune.md": Needs(
        made=RECIPES,
        replaced=(
            Replaced("--trials 20", "--trials 2 --set model.kind=encoder", "a tiny encoder, and one training a trial"),
        ),
    ),
    "docs/quickstart.md": Needs(before=(somebody,), replaced=(LINEAR,)),
    "docs/upgrades.md": Needs(made=SERVED, before=(copied("headlines.csv", "YOUR.csv"),)),
}
