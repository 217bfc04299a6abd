"""`register`, `models`, `rollback`, and a reference where a model is asked for, as a user meets them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from copydesk.bundle import Bundle, open_bundle
from copydesk.cli import main as cli
from copydesk.recipe import parse_recipe
from copydesk.registry import references
from copydesk.registry.facts import facts_of
from copydesk.registry.moves import Mover
from copydesk.registry.references import opened
from copydesk.runtime.fallback import load_model
from copydesk.runtime.versions import fingerprint, version_of
from copydesk.serve.job_worker import load_version
from copydesk.training import train_bundle
from copydesk.types import ModelVersion
from fakes import toy_rows, write_csv
from memory_registry import MemoryRegistry
from registry_contract import AT, promoted


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return two small bundles of one name."""
    folder = tmp_path_factory.mktemp("bundles")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COPYDESK_TRACKING", "off")
        recipe = parse_recipe({"name": "toy", "model": {"kind": "linear"}})
        return [
            train_bundle(
                recipe, data=write_csv(folder / f"{seed}.csv", toy_rows(seed=seed)), out=folder / f"{seed}"
            ).path
            for seed in (1, 2)
        ]


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> MemoryRegistry:
    """Return the registry that every address leads to."""
    registry = MemoryRegistry()
    monkeypatch.setattr(references, "_registry", lambda scheme, place: registry)
    monkeypatch.setenv("COPYDESK_USER", "ada")
    return registry


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, registry: MemoryRegistry) -> Run:
    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["copydesk", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return call


def test_a_bundle_is_registered_under_its_own_name(run: Run, registry: MemoryRegistry, trained: list[Path]) -> None:
    assert run("register", trained[0]) == (0, "registered: models:/toy/1\n", "")
    facts = registry.find("toy", 1).facts
    assert (facts.by, facts.digest) == ("ada", open_bundle(trained[0]).digest)
    assert next(iter(facts.metrics)) == "accuracy"


def test_another_name_and_an_alias_can_be_given(run: Run, registry: MemoryRegistry, trained: list[Path]) -> None:
    done = run("register", trained[0], "--name", "news", "--alias", "staging", "--to", "hf://acme")
    assert done[:2] == (0, "registered: hf://acme/news@v1  alias: staging\n")
    assert registry.find("news", "staging").version == 1


def test_registering_again_says_who_did_before(run: Run, registry: MemoryRegistry, trained: list[Path]) -> None:
    run("register", trained[0])
    code, out, err = run("register", trained[0], "--alias", "staging")
    assert (code, out) == (0, "registered: models:/toy/1  alias: staging\n")
    assert "there already: ada registered it" in err or err == ""
    assert len(registry.versions("toy")) == 1


def test_promoting_what_is_there_already_is_an_error_unless_only_new_versions_are_meant(
    run: Run, registry: MemoryRegistry, trained: list[Path]
) -> None:
    run("register", trained[0], "--alias", "staging")
    registry.point("toy", promoted(1, None))
    told = "Version 1 of 'toy' is in production already."
    assert run("promote", "toy") == (2, "", f"copydesk: {told}\n")
    assert run("promote", "toy", "--if-new") == (0, f"{told}\n", "")
    assert json.loads(run("promote", "toy", "--if-new", "--json")[1]) == {
        "name": "toy",
        "action": "unchanged",
        "why": told,
    }


def test_registering_answers_in_json(run: Run, registry: MemoryRegistry, trained: list[Path]) -> None:
    found = json.loads(run("register", trained[0], "--json")[1])
    assert (found["reference"], found["version"], found["aliases"]) == ("models:/toy/1", 1, [])


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["register", "nothing"], 2, "'nothing' does not exist"),
        (["register", "."], 1, "not a complete bundle"),
        (["register", "BUNDLE", "--name", "a/b"], 1, "'a/b' is no name"),
        (["register", "BUNDLE", "--alias", "production"], 2, "copydesk promote"),
        (["register", "BUNDLE", "--alias", "v3"], 1, "'v3' is no alias"),
        (["register", "BUNDLE", "--to", "ftp://x"], 2, "'ftp://x' is no registry"),
        (["models", "nothing"], 1, "No model 'nothing'"),
        (["rollback", "toy"], 1, "No model 'toy'"),
        (["predict", "models:/toy@production", "hi"], 1, "No model 'toy'"),
        (["predict", "models:/a/b@production", "hi"], 2, "is no reference"),
        (["evaluate", "models:/toy", "x.csv"], 2, "is no reference"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(run: Run, trained: list[Path], words: list[str], code: int, told: str) -> None:
    found = run(*(str(trained[0]) if word == "BUNDLE" else word for word in words))
    assert found[0] == code
    assert told in found[2]
    assert found[2].count("\n") <= 2


def test_models_lists_the_newest_and_the_named_and_of_one_its_history(
    run: Run, registry: MemoryRegistry, trained: list[Path]
) -> None:
    assert "No model is registered here" in run("models")[1]
    for bundle in trained:
        run("register", bundle)
    assert [one["version"] for one in json.loads(run("models", "--json")[1])["versions"]] == [2]
    registry.point("toy", promoted(1, None, reason="[red]not markup[/red]"))
    out = run("models")[1]
    assert "toy 2" in out and "toy 1" in out and "production" in out and "ada" in out
    found = json.loads(run("models", "toy", "--json")[1])
    assert [change["action"] for change in found["history"]] == ["registered", "promoted", "registered"]
    assert "promoted" in run("models", "toy")[1]
    assert "promoted" not in run("models", "toy", "--quiet")[1]


def test_rolling_back_says_from_where_to_where(run: Run, registry: MemoryRegistry, trained: list[Path]) -> None:
    for version, bundle in enumerate(trained, 1):
        run("register", bundle)
        registry.point("toy", promoted(version, version - 1 or None))
    assert run("rollback", "toy", "--reason", "slow")[:2] == (0, "production of 'toy': version 1 (was 2)\n")
    assert registry.history("toy")[-1].reason == "slow"
    assert "there is none to go back to" in run("rollback", "toy")[2]


def test_every_command_takes_a_reference(
    run: Run, registry: MemoryRegistry, trained: list[Path], tmp_path: Path
) -> None:
    run("register", trained[0], "--alias", "staging")
    data = write_csv(tmp_path / "data.csv", toy_rows(40, seed=5))
    assert run("predict", "models:/toy@staging", "goal match")[1].startswith("sport\t")
    assert run("evaluate", "models:/toy/1", data, "--quiet")[1].startswith("accuracy: ")
    assert "scored: out" in run("score", "models:/toy/1", data, "out", "--text", "text")[1]
    code, _, told = run("export", "models:/toy/1")
    assert code == 2 and "kind 'linear'" in told


def test_a_loaded_version_has_the_registrys_number(registry: MemoryRegistry, trained: list[Path]) -> None:
    for bundle in map(open_bundle, trained):
        registry.add(bundle, "toy", facts_of(bundle, Mover("ada", AT.format(0))))
    registry.point("toy", promoted(2, None))
    found = version_of(load_model("models:/toy@production"), "models:/toy@production")
    assert found == ModelVersion("toy", "2", "models:/toy/2")
    assert load_version(found).predict(["goal match"])[0].label == "sport"


def test_a_fingerprint_changes_with_the_alias_alone(registry: MemoryRegistry, trained: list[Path]) -> None:
    for bundle in map(open_bundle, trained):
        registry.add(bundle, "toy", facts_of(bundle, Mover("ada", AT.format(0))))
    registry.point("toy", promoted(1, None))
    before = fingerprint("models:/toy@production")
    registry.note("toy", promoted(2, None, action="refused"))
    assert fingerprint("models:/toy@production") == before
    registry.point("toy", promoted(2, 1))
    assert fingerprint("models:/toy@production") != before


def test_facts_name_the_commit_and_whether_files_were_changed(trained: list[Path], tmp_path: Path) -> None:
    bundle, ada = open_bundle(trained[0]), Mover("ada", AT.format(0))
    assert facts_of(bundle, ada).commit == ""
    for words in (
        ["init", "-q"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-mx"],
    ):
        subprocess.run(["git", *words], check=True, cwd=tmp_path)
    (tmp_path / "file").write_text("1")
    subprocess.run(["git", "add", "file"], check=True, cwd=tmp_path)
    assert facts_of(bundle, ada).commit.endswith("+") and len(facts_of(bundle, ada).commit) == 41
    assert facts_of(bundle, ada).data == bundle.manifest["data"]


def test_a_registered_version_can_go_to_another_registry(
    run: Run, registry: MemoryRegistry, trained: list[Path]
) -> None:
    run("register", trained[0])
    assert run("register", "models:/toy/1", "--name", "copy")[1] == "registered: models:/copy/1\n"
    found: Bundle = opened("models:/copy/1")
    assert found.digest == open_bundle(trained[0]).digest
