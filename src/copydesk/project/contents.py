"""Everything that a new project holds: file names and texts. Nothing is written here.

Recipes, workflows and containers are those that come with Copydesk; what is a project's own lies in `files/`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from string import Template

import yaml

from copydesk import __version__
from copydesk.data.sample import sample_csv
from copydesk.deployment.names import label_of
from copydesk.errors import UsageError
from copydesk.project.pipeline import RECIPE, keys_of, pipeline
from copydesk.project.recipe_text import blocks_of, swapped, with_defaults
from copydesk.recipe import Recipe, parse_recipe, shipped_recipe
from copydesk.shipped import shipped

KINDS = ("clickbait", "arxiv", "restaurant", "signals", "tweets", "blank")
SAMPLED = ("clickbait", "signals")
"""Recipes with texts of their own, made up, on which a project starts."""
_FILES = Path(__file__).parent / "files"
_NAMES = {
    "dvc.config": ".dvc/config",
    "dvc.gitignore": ".dvc/.gitignore",
    "dvcignore": ".dvcignore",
    "gitignore": ".gitignore",
    "dockerignore": ".dockerignore",
    "pre-commit-config.yaml": ".pre-commit-config.yaml",
}
"""Files whose names here and in a project differ: these would have a meaning in this repository too."""
_DEPLOYED = (
    "Dockerfile",
    "*compose.y*ml",
    "make_secrets",
    "postgres/*",
    "prometheus/*.yml",
    "prometheus/rules/*",
    "grafana/dashboards/*.json",
    "grafana/provisioning/*/*.yml",
)
"""What of `deploy/` runs in a project; the rest makes or tests it."""


def contents(project: str, kind: str, *, sample: bool) -> dict[str, bytes]:
    """Return a project's files by their paths in it. `sample`: the recipe starts on the built-in texts."""
    text = recipe_of(project, kind, sample=sample)
    recipe = parse_recipe(yaml.safe_load(text))
    words = {"project": project, "model": recipe.name, "kind": kind, "version": __version__}
    head = _read("common", "pipeline.yaml")
    files = {RECIPE: text, "dvc.yaml": head + yaml.safe_dump(pipeline(recipe), sort_keys=False, width=120)}
    files |= {path: Template(found).substitute(words) for path, found in _own(project, kind)}
    files["README.md"] = _readme(kind, words, sample)
    if kind == "clickbait" and sample:
        files |= {"data/sample.csv": sample_csv(), "lessons/sample.csv": _read(kind, "lessons.csv")}
    return {**dict(_copied(recipe, kind)), **{path: found.encode() for path, found in files.items()}}


def recipe_of(project: str, kind: str, *, sample: bool) -> str:
    """Return the text of the project's recipe.yaml. Raises `UsageError` for a kind that there is not."""
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise UsageError(f"There is no recipe '{kind}' to begin a project with.{hint} There are: {', '.join(KINDS)}.")
    if kind == "blank":
        text = Template(_read("blank", "recipe.yaml")).substitute(project=project)
    else:
        text = shipped_recipe(kind).read_text("utf-8")
    changed = "sample.yaml" if sample else "source.yaml"
    if (_FILES / kind / changed).is_file():
        for key, lines in blocks_of(_read(kind, changed)).items():
            text = swapped(text, key, lines)
    recipe = parse_recipe(yaml.safe_load(text))
    return with_defaults(text, recipe, keys_of(recipe), _read("common", "defaults.yaml"))


def _own(project: str, kind: str) -> Iterator[tuple[str, str]]:
    """Yield the files that are written for projects alone, before the project's words are put in."""
    for name in ("compose.yaml", "requirements.txt", *_NAMES):
        yield _NAMES.get(name, name), _read("common", name)
    if kind == "blank":
        yield f"behaviours/{project}.yaml", _read("blank", "behaviours.yaml")
        yield "data/texts.csv", _read("blank", "texts.csv")


def _readme(kind: str, words: dict[str, str], sample: bool) -> str:
    texts = Template(_read(kind, "sample.md" if sample else "texts.md")).substitute(words)
    return Template(_read("common", "README.md")).substitute(words, texts=texts.rstrip("\n"))


def _copied(recipe: Recipe, kind: str) -> Iterator[tuple[str, bytes]]:
    """Yield what is the same for everybody: the recipe's companions, workflows, containers, exact versions."""
    recipes, deploy = shipped("recipes"), shipped("deploy")
    if kind != "blank":
        for file in sorted(recipes.glob(f"*/{kind}.*")):  # behaviours, keywords, aliases, labelling, samples
            yield file.relative_to(recipes).as_posix(), file.read_bytes()
    for file in sorted((deploy / "github").glob("*.yml")):
        yield f".github/workflows/{file.name}", file.read_bytes()
    for file in sorted(file for pattern in _DEPLOYED for file in deploy.glob(pattern)):
        yield f"deploy/{file.relative_to(deploy).as_posix()}", file.read_bytes()
    settings = (deploy / "deploy.yaml").read_text("utf-8").replace("clickbait", recipe.name)
    yield "deploy.yaml", settings.replace(f"name: {recipe.name} ", f'name: "{label_of(recipe.name)}" ', 1).encode()
    yield "constraints.txt", shipped("constraints.txt").read_bytes()


def _read(*parts: str) -> str:
    return _FILES.joinpath(*parts).read_text("utf-8")
