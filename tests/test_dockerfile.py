"""The rules that deploy/Dockerfile keeps; tests/e2e/test_images.py builds it and runs what comes out."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from dockerfile import DOCKERFILE, Stage, inherited, read_dockerfile, words

ROOT = DOCKERFILE.parent.parent
STAGES = read_dockerfile()
IMAGES = ("serve", "worker", "train", "mlflow")
PYTHON = "python:3.11-slim-bookworm"


def _texts(instruction: str) -> list[str]:
    return [text for stage in STAGES.values() for name, text in stage.instructions if name == instruction]


def test_serve_is_what_is_built_if_none_is_named() -> None:
    assert [*STAGES][-1] == "serve"


def test_every_stage_begins_with_the_same_pinned_python_or_another_stage() -> None:
    assert {stage.base for stage in STAGES.values()} - {*STAGES} == {PYTHON}
    assert f"ARG PYTHON_IMAGE={PYTHON}\n" in DOCKERFILE.read_text("utf-8")


def test_nothing_is_fetched_but_by_pip_with_pins() -> None:
    assert not _texts("ADD")
    commands = " ".join(_texts("RUN"))
    assert not re.search(r"\b(curl|wget|apt-get|git clone)\b|https?://", commands)
    installs = [line for line in re.split("&&|;", commands) if "pip install" in line]
    assert len(installs) == 7
    assert all(
        "--constraint constraints.txt" in line or "--no-deps --force-reinstall /source" in line for line in installs
    )


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_runs_as_a_user_without_rights_and_hears_the_signal_to_end(name: str) -> None:
    assert inherited(STAGES, name, "USER") == "10001:10001"
    assert inherited(STAGES, name, "STOPSIGNAL") == "SIGTERM"
    assert words(STAGES[name].last("ENTRYPOINT"))[0] in ("copydesk", "mlflow")  # no shell in between
    assert words(inherited(STAGES, name, "VOLUME")) == ["/var/lib/copydesk", "/var/cache/copydesk"]
    own = [instruction for instruction, _ in STAGES[name].instructions]
    assert "RUN" not in own and "USER" not in own, "after USER nothing is installed"


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_has_only_what_it_needs_of_the_stages_before(name: str) -> None:
    copied = {text.split()[0] for instruction, text in STAGES[name].instructions if instruction == "COPY"}
    assert copied <= {
        "--from=packages",
        "--from=worker-packages",
        "--from=train-packages",
        "--from=mlflow-packages",
        "--from=context",
    }
    assert STAGES[name].base == "run"


@pytest.mark.parametrize("name", ["serve", "worker", "mlflow"])
def test_a_server_tells_of_its_health_without_a_shell_or_a_further_program(name: str) -> None:
    options, _, command = (STAGES[name].last("HEALTHCHECK") or "").partition("CMD ")
    assert words(command)[:2] == ["python", "-ISc"]
    compile(words(command)[2], name, "exec")
    assert {option.partition("=")[0] for option in options.split()} == {
        "--interval",
        "--timeout",
        "--start-period",
        "--retries",
    }


def test_the_labels_are_those_that_registries_show() -> None:
    labels = inherited(STAGES, "serve", "LABEL") or ""
    named = set(re.findall(r"org\.opencontainers\.image\.(\w+)=", labels))
    assert named == {"title", "description", "licenses", "revision"}


def test_packages_are_installed_before_the_source_is_there() -> None:
    for name in ("packages", "train-packages"):
        order = [text for instruction, text in STAGES[name].instructions if instruction in ("RUN", "COPY")]
        assert order.index("--from=context /wanted/source /source") > next(
            place for place, text in enumerate(order) if "copydesk[" in text
        )


def test_the_extras_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    named = {text for stage in STAGES.values() for _, text in stage.instructions if "EXTRAS=" in text}
    asked = {extra for text in named for extra in text.partition("EXTRAS=")[2].split(",")}
    assert asked == {"serve", "registry", "train", "cloud"} and {*asked, "jobs", "monitor"} <= extras.keys()


def _without_extras(requirements: str, folder: Path) -> list[str]:
    """Run the Dockerfile's own command that makes constraints of requirements."""
    (command,) = [text for text in _texts("RUN") if "requirements.txt >> constraints.txt" in text]
    command = command.removeprefix("RUN").partition("&& if")[0]
    (folder / "requirements.txt").write_text(requirements, "utf-8")
    subprocess.run(["bash", "-ec", command], cwd=folder, check=True)
    return (folder / "constraints.txt").read_text("utf-8").split("\n")[:-1]


@pytest.mark.parametrize(
    ("line", "constraint"),
    [
        ("copydesk[serve,registry]==0.8.0", "copydesk==0.8.0"),
        ("numpy==2.4.6", "numpy==2.4.6"),
        ("# a comment", "# a comment"),
        (
            "./wheels/copydesk-0.8.0-py3-none-any.whl",
            "copydesk==0.8.0",
        ),
        (
            "wheels/copydesk-0.8.0-py3-none-any.whl[train]",
            "copydesk==0.8.0",
        ),
        ("--find-links wheels", None),
        ("  -r other.txt", None),
    ],
)
def test_requirements_of_a_project_become_constraints(tmp_path: Path, line: str, constraint: str | None) -> None:
    assert _without_extras(f"{line}\n", tmp_path) == ([] if constraint is None else [constraint])


def test_what_is_sent_to_the_builder_is_named_and_secrets_are_not_among_it() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    named = {line[1:] for line in lines if line.startswith("!")}
    assert named == {
        "pyproject.toml",
        "constraints.txt",
        "requirements.txt",
        "wheels",
        "README.md",
        "LICENSE",
        "src",
        "recipes",
        "deploy",
        "bundles",
    }
    assert "deploy/secrets" in lines[lines.index("!deploy") :]


def test_a_dockerfile_is_read_as_its_stages_say() -> None:
    stage = Stage("a", "b", [("USER", "1"), ("RUN", "x"), ("USER", "2")])
    assert stage.last("USER") == "2" and stage.last("LABEL") is None
    with pytest.raises(ValueError):
        words("copydesk serve")
