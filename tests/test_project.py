"""New projects: what is written, that recipe and pipeline fit each other, and that DVC understands it."""

from __future__ import annotations

import csv
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import ruamel.yaml
import yaml

from copydesk import __version__
from copydesk.deployment import load_settings
from copydesk.errors import CopydeskError, UsageError
from copydesk.pipeline.needs import KEYS, needed
from copydesk.project.contents import KINDS, SAMPLED
from copydesk.project.pipeline import pipeline
from copydesk.project.recipe_text import swapped
from copydesk.project.write import write_project
from copydesk.recipe import Recipe, SourceFile, load_recipe, parse_recipe
from copydesk.shipped import shipped

ROOT = Path(__file__).parent.parent
FORMS = [(kind, sample) for kind in KINDS for sample in ([True, False] if kind in SAMPLED else [False])]
each = pytest.mark.parametrize(("kind", "sample"), FORMS, ids=[f"{kind}{' on its sample' * s}" for kind, s in FORMS])


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, bool], Path]:
    folder = tmp_path_factory.mktemp("projects")
    made = {}
    for kind, sample in FORMS:
        made[kind, sample] = folder / f"{kind}-{'sample' if sample else 'real'}"
        write_project(made[kind, sample], kind, sample=sample)
    return made


def _named(project: Path) -> Recipe:
    """Return the recipe with its files as it names them, relative to the project."""
    return parse_recipe(yaml.safe_load((project / "recipe.yaml").read_text("utf-8")))


@each
def test_a_projects_recipe_can_be_read_and_what_it_names_is_there(
    projects: dict[tuple[str, bool], Path], kind: str, sample: bool
) -> None:
    project = projects[kind, sample]
    recipe = load_recipe(project / "recipe.yaml")
    named = [recipe.aliases, recipe.behaviours, recipe.model.keywords, *recipe.weak.functions, *recipe.prepare.lessons]
    files = [one.url for one in recipe.source if isinstance(one, SourceFile) and "://" not in one.url]
    brought = {"arxiv", "restaurant"}  # nobody may hand these texts on: their users put them there
    for name in [*filter(None, named), *(files if kind not in brought else [])]:
        assert Path(name).is_file() and Path(name).is_relative_to(project)
    if kind in brought:
        assert files and Path(files[0]).relative_to(project).as_posix() in (project / "README.md").read_text("utf-8")


@each
def test_dvc_understands_the_pipeline_and_finds_every_key(
    projects: dict[tuple[str, bool], Path], kind: str, sample: bool
) -> None:
    from dvc.repo import Repo

    project = projects[kind, sample]
    with Repo(str(project)) as repo:
        stages = {stage.name: stage for stage in repo.index.stages}
        assert [*needed(_named(project)), "check", "evaluate", "promote"] == [
            name for name in ("collect", "label", "prepare", "train", "check", "evaluate", "promote") if name in stages
        ]
        for stage in stages.values():
            assert stage.params, stage.name
            for params in stage.params:
                params.fill_values()
                assert "deleted" not in str(params.status()), stage.name
    assert (project / ".dvc" / "config").read_text("utf-8").count("analytics = false") == 1


@each
def test_a_stages_keys_are_those_that_a_run_goes_by(
    projects: dict[tuple[str, bool], Path], kind: str, sample: bool
) -> None:
    recipe = _named(projects[kind, sample])
    stages = pipeline(recipe)["stages"]
    first = needed(recipe)[0]
    for name in needed(recipe):
        keys = set(stages[name]["params"][0]["recipe.yaml"])
        added = {"source"} if name == first else set()
        kept = {"name", "serve", "monitor"} if name == "train" else set()
        assert keys == {*KEYS[name], *added, *kept}


@each
def test_dvc_yaml_is_what_the_recipe_gives(projects: dict[tuple[str, bool], Path], kind: str, sample: bool) -> None:
    project = projects[kind, sample]
    assert yaml.safe_load((project / "dvc.yaml").read_text("utf-8")) == pipeline(_named(project))


def test_every_stage_reads_what_one_before_it_writes(projects: dict[tuple[str, bool], Path]) -> None:
    stages = pipeline(_named(projects["signals", False]))["stages"]
    assert stages["collect"]["deps"] == ["samples/signals.jsonl"]
    assert stages["label"]["cmd"] == "copydesk label recipe.yaml data/raw.parquet --out data/labelled.parquet"
    assert stages["label"]["deps"] == ["data/raw.parquet", "keywords/signals.yaml", "labelling/signals.yaml"]
    assert stages["prepare"]["cmd"] == "copydesk prepare recipe.yaml --data data/labelled.parquet --out data/prepared"
    assert stages["train"]["deps"] == ["data/prepared", "keywords/signals.yaml"]
    assert stages["check"]["cmd"].startswith("copydesk check bundle --data data/labelled.parquet --recipe recipe.yaml")
    assert "outs" not in stages["promote"], "DVC would take them from its cache instead of asking the gate"


def test_every_command_of_the_pipeline_exists(projects: dict[tuple[str, bool], Path]) -> None:
    import typer

    from copydesk.cli.main import app

    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for project in projects.values():
        for stage in pipeline(_named(project))["stages"].values():
            for line in [stage["cmd"]] if isinstance(stage["cmd"], str) else stage["cmd"]:
                _, name, *words = line.split()
                commands[name].make_context(name, words)


def test_the_sample_is_the_recipes_other_source_and_says_so(projects: dict[tuple[str, bool], Path]) -> None:
    text = (projects["clickbait", True] / "recipe.yaml").read_text("utf-8")
    assert "\nsource: {url: data/sample.csv}\n# source:\n#   - url: https://raw.githubusercontent.com/" in text
    assert "say nothing about the world" in (projects["clickbait", True] / "README.md").read_text("utf-8").replace(
        "\n", " "
    )
    real = projects["clickbait", False]
    assert not (real / "data").exists() and not (real / "lessons").exists()
    shipped_text = (ROOT / "recipes" / "clickbait.yaml").read_text("utf-8")
    assert (real / "recipe.yaml").read_text("utf-8").startswith(shipped_text)


def test_turning_the_comments_round_gives_the_real_recipe(projects: dict[tuple[str, bool], Path]) -> None:
    text = (projects["clickbait", True] / "recipe.yaml").read_text("utf-8")
    text = re.sub(r"^(source|train): .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^ +(lessons|floors): .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^( *)# (source:|train:|  |floors:)", r"\1\2", text, flags=re.MULTILINE)
    assert parse_recipe(yaml.safe_load(text)) == _named(projects["clickbait", False])


def test_no_lesson_is_a_text_of_the_sample(projects: dict[tuple[str, bool], Path]) -> None:
    tables = [projects["clickbait", True] / folder / "sample.csv" for folder in ("data", "lessons")]
    sample, lessons = (
        {row[0].casefold() for row in csv.reader(table.read_text("utf-8").splitlines())} for table in tables
    )
    assert len(sample) == 6_001 and len(lessons) == 321 and sample & lessons == {"text"}


def test_workflows_and_containers_are_those_of_copydesk(projects: dict[tuple[str, bool], Path]) -> None:
    project = projects["blank", False]
    for file in (ROOT / "deploy" / "github").glob("*.yml"):
        assert (project / ".github" / "workflows" / file.name).read_bytes() == file.read_bytes()
    for file in (project / "deploy").rglob("*"):
        assert file.is_dir() or file.read_bytes() == (ROOT / file.relative_to(project)).read_bytes()
    assert not list((project / "deploy").rglob("*.py")), "what makes the dashboards stays where they are made"
    assert (project / "deploy" / "make_secrets").stat().st_mode & 0o111


def test_what_the_compose_files_name_is_there(projects: dict[tuple[str, bool], Path]) -> None:
    project = projects["clickbait", True]
    files = [project / "compose.yaml"]
    for file in files:
        compose = yaml.safe_load(file.read_text("utf-8"))
        files += [file.parent / (one if isinstance(one, str) else one["path"]) for one in compose.get("include", [])]
        for service in compose.get("services", {}).values():
            mounted = [one.partition(":")[0] for one in service.get("volumes", []) if str(one).startswith(".")]
            built = [service["build"]["context"]] if "build" in service else []
            assert all((file.parent / path).exists() for path in [*mounted, *built])
    assert len(files) == 3


def test_the_deployments_settings_name_the_projects_model(projects: dict[tuple[str, bool], Path]) -> None:
    settings = yaml.safe_load((projects["tweets", False] / "deploy.yaml").read_text("utf-8"))
    assert (settings["name"], settings["model"]) == ("tweets", "models:/tweets@production")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("2024", "model-2024"),
        ("no", "no"),
        ("1e5", "model-1e5"),
        ("my_news.v2", "my-news-v2"),
        ("x" * 41 + "-" + "x" * 22, "x" * 41),
    ],
)
def test_every_name_that_a_project_may_have_names_a_recipe_and_a_deployment(
    tmp_path: Path, name: str, label: str
) -> None:
    write_project(tmp_path / name, "blank", git=False)
    assert load_recipe(tmp_path / name / "recipe.yaml").name == name
    assert ruamel.yaml.YAML(typ="safe").load(tmp_path / name / "recipe.yaml")["name"] == name  # as DVC reads it
    settings = load_settings(tmp_path / name / "deploy.yaml")
    assert (settings.name, settings.model) == (label, f"models:/{name}@production")


def test_every_requirement_is_pinned(projects: dict[tuple[str, bool], Path]) -> None:
    project = projects["tweets", False]
    lines = [line for line in (project / "requirements.txt").read_text("utf-8").splitlines() if line[0] not in "#-"]
    versions = (project / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {line.partition("==")[0].replace("_", "-") for line in versions}
    assert lines[0].startswith("copydesk[") and lines[0].endswith(f"]=={__version__}")
    assert {re.split(r"[\[=]", line)[0] for line in lines[1:]} <= pinned and "dvc-s3" in pinned


def test_no_word_of_a_template_is_left(projects: dict[tuple[str, bool], Path]) -> None:
    for project in projects.values():
        for name in ("README.md", "recipe.yaml", "requirements.txt", ".dvc/config", ".pre-commit-config.yaml"):
            assert not re.search(r"\$(project|model|kind|version|texts)|\$\$", (project / name).read_text("utf-8"))


def test_a_project_is_a_git_repository_unless_it_is_in_one(tmp_path: Path) -> None:
    assert write_project(tmp_path / "desk", "blank").git
    assert (tmp_path / "desk" / ".git").is_dir()
    write_project(tmp_path / "desk" / "inner", "blank")
    assert not (tmp_path / "desk" / "inner" / ".git").exists()
    status = ["git", "-C", str(tmp_path / "desk"), "status", "--porcelain", "--untracked-files=all"]
    listed = subprocess.run(status, capture_output=True, text=True, check=True).stdout
    assert "?? data/texts.csv" in listed and "?? dvc.yaml" in listed


def test_without_git_dvc_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    made = write_project(tmp_path / "desk", "blank")
    assert not made.git and any("Not in git" in note for note in made.notes)
    assert "no_scm = true" in (tmp_path / "desk" / ".dvc" / "config").read_text("utf-8")


def test_a_git_that_makes_no_repository_is_told_with_the_way_around(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = tmp_path / "bin" / "git"
    git.parent.mkdir()
    git.write_text("#!/bin/sh\necho \"error: unknown option 'initial-branch=main'\" >&2\nexit 129\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{git.parent}:/usr/bin:/bin")
    with pytest.raises(CopydeskError, match=r"unknown option 'initial-branch=main'.* 2\.28 or newer; --no-git"):
        write_project(tmp_path / "desk", "blank")
    assert not (tmp_path / "desk").exists()
    assert not write_project(tmp_path / "desk", "blank", git=False).git


@pytest.mark.parametrize(
    ("name", "nearest"), [("My Desk", "my-desk"), ("-x", "x"), (".hidden", "hidden"), ("ü", "news")]
)
def test_a_name_that_is_none_is_refused_with_one_that_is(tmp_path: Path, name: str, nearest: str) -> None:
    with pytest.raises(UsageError, match=rf"is no name for a project: .* e\.g\. {nearest}"):
        write_project(tmp_path / name, "blank")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "desk").mkdir()
    with pytest.raises(UsageError, match="exists already, and nothing is overwritten"):
        write_project(tmp_path / "desk", "blank")
    assert not list((tmp_path / "desk").iterdir())


def test_what_there_is_not_is_refused_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no recipe 'clickbate' .* Did you mean 'clickbait'"):
        write_project(tmp_path / "desk", "clickbate")
    with pytest.raises(UsageError, match="'arxiv' has no built-in sample; clickbait and signals have one"):
        write_project(tmp_path / "desk", "arxiv", sample=True)
    assert not list(tmp_path.iterdir())


def test_a_project_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"recipe.yaml": b"name: desk\n", "recipe.yaml/below": b""}  # the second cannot be written
    monkeypatch.setattr("copydesk.project.write.contents", lambda *given, **options: files)
    with pytest.raises(CopydeskError, match="cannot be written"):
        write_project(tmp_path / "desk", "blank")
    assert not list(tmp_path.iterdir())


def test_lines_are_put_in_place_of_a_key_which_stays_as_a_comment() -> None:
    text = "name: x\ngate:\n  floors:\n    accuracy: 0.9\n  test_uses: 3\ntext: [t]\n"
    floors = "gate:\n  floors: {}\n  # floors:\n  #   accuracy: 0.9\n  test_uses: 3\n"
    assert swapped(text, "floors", "floors: {}\n") == f"name: x\n{floors}text: [t]\n"
    assert swapped("name: x\ntext: [t]\n", "source", "source: a\n") == "name: x\nsource: a\ntext: [t]\n"
    assert swapped("prepare:\n  dedupe: near\n", "lessons", "lessons: [a]\n") == (
        "prepare:\n  lessons: [a]\n  dedupe: near\n"
    )


def test_what_is_shipped_is_in_the_wheel_or_told() -> None:
    import tomllib

    targets = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]
    for name in ("recipes", "deploy", "constraints.txt"):
        assert shipped(name).exists()
        assert targets["wheel"]["force-include"][name] == f"copydesk/{name}"
    with pytest.raises(CopydeskError, match="'nothing' is missing .* Install it again"):
        shipped("nothing")
