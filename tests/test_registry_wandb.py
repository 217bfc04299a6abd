"""The registry in Weights & Biases, through its own client and background process, against a W&B on this machine."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from copydesk.bundle import Bundle
from copydesk.errors import MissingExtra, RegistryError, Stale, UsageError
from copydesk.registry.base import Registered, Registry
from copydesk.registry.references import opened
from copydesk.registry.wandb import Wandb
from copydesk.types import ModelVersion
from registry_contract import RegistryContract, facts_for, promoted, small_bundle
from servers import Answer, Asked, running
from wandb_server import Sequence, State, WandbServer

KEY = "k" * 40
PLACE = "team/desk"
_THREE: dict[str, State] = {}


@pytest.fixture(scope="module")
def whole_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WandbServer]:
    """Return one server for all tests: W&B's client starts its process once."""
    import wandb

    with pytest.MonkeyPatch.context() as patch, running(WandbServer(KEY)) as server:
        for name in ("WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_CONFIG_DIR"):
            patch.setenv(name, str(tmp_path_factory.mktemp("wandb")))
        assert isinstance(server, WandbServer)
        yield server
        wandb.teardown()


@pytest.fixture
def server(whole_server: WandbServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> WandbServer:
    whole_server.reset()
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", whole_server.root)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    for name in ("WANDB_MODE", "WANDB_ENTITY", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    return whole_server


def _three(server: WandbServer, bundles: list[Bundle]) -> list[Registered]:
    """Register three versions, and after that begin with what the server then held: it takes seconds."""
    if "state" not in _THREE:
        for bundle in bundles:
            Wandb(PLACE).add(bundle, "toy", facts_for(bundle))
        _THREE["state"] = copy.deepcopy(server.state)
    server.state = copy.deepcopy(_THREE["state"])
    return [Registered("toy", number, facts_for(bundle)) for number, bundle in enumerate(bundles, 1)]


class TestContract(RegistryContract):
    @pytest.fixture
    def registry(self, server: WandbServer) -> Registry:
        return Wandb(PLACE)

    @pytest.fixture
    def again(self, registry: Registry) -> Callable[[], Registry]:
        return lambda: Wandb(PLACE)

    @pytest.fixture
    def three(self, server: WandbServer, bundles: list[Bundle]) -> list[Registered]:
        return _three(server, bundles)


@pytest.fixture
def toy(server: WandbServer, tmp_path: Path) -> Sequence:
    """Return a model with three versions, as the server holds it."""
    _three(server, [small_bundle(tmp_path / f"bundle-{number}", f"weights {number}") for number in range(1, 4)])
    return server.state.sequences["team", "desk", "toy"]


def _fail(server: WandbServer, part: str, answer: Answer) -> None:
    """Let the server refuse an operation, or the way to some files, before it does what it is asked."""

    def before(operation: str, asked: Asked) -> Answer | None:
        return answer if part in operation else None

    server.before = before


def test_a_versions_number_is_the_one_that_wandb_shows(toy: Sequence) -> None:
    assert [version.index for version in toy.versions] == [0, 1, 2, 3]
    assert "copydesk_history" in json.loads(toy.versions[0].metadata)
    for version in Wandb(PLACE).versions("toy"):
        metadata = json.loads(toy.versions[version.version].metadata)
        assert metadata["copydesk"]["digest"] == version.facts.digest
    Wandb(PLACE).point("toy", promoted(3, None))
    assert toy.aliases["production"] is toy.versions[3]


def test_looking_again_is_one_request(server: WandbServer, toy: Sequence) -> None:
    Wandb(PLACE).find("toy", 1)
    asked = len(server.operations)
    Wandb(PLACE).find("toy", 1)
    assert server.operations[asked:] == ["ProjectArtifacts"]


def test_an_alias_that_was_moved_in_wandb_itself_is_the_truth(toy: Sequence) -> None:
    Wandb(PLACE).point("toy", promoted(1, None))
    toy.aliases["production"] = toy.versions[2]
    assert Wandb(PLACE).find("toy", "production").version == 2
    with pytest.raises(Stale, match="leads to version 2, not to version 1 any more"):
        Wandb(PLACE).point("toy", promoted(3, 1))


@pytest.mark.parametrize("part", ["/storage/", "CommitArtifact", "CreateArtifactFiles"])
def test_an_upload_that_breaks_off_registers_nothing_and_can_be_done_again(
    server: WandbServer, toy: Sequence, tmp_path: Path, part: str
) -> None:
    bundle = small_bundle(tmp_path / "next", "next")
    _fail(server, part, Answer(400, body=b"broken"))
    with pytest.raises(RegistryError, match="'team/desk' in W&B"):
        Wandb(PLACE).add(bundle, "toy", facts_for(bundle))
    server.before = lambda operation, asked: None
    assert [one.version for one in Wandb(PLACE).versions("toy")] == [3, 2, 1]
    assert Wandb(PLACE).add(bundle, "toy", facts_for(bundle)).version == 4


def test_who_is_overtaken_between_moving_an_alias_and_looking_is_told(server: WandbServer, toy: Sequence) -> None:
    def overtake(operation: str, asked: Asked) -> Answer | None:
        if operation == "UpdateArtifact":  # the alias is set by now; W&B's own page has no line for the history
            toy.aliases["production"] = toy.versions[3]
        return None

    server.before = overtake
    with pytest.raises(Stale, match="leads to version 3"):
        Wandb(PLACE).point("toy", promoted(2, None))
    assert Wandb(PLACE).history("toy") == []


@pytest.mark.parametrize("operation", ["AddAliases", "UpdateArtifact", "ProjectArtifacts"])
def test_of_two_who_move_an_alias_at_once_one_is_told(server: WandbServer, toy: Sequence, operation: str) -> None:
    """Bob, who has looked before as well, moves the alias and is done while the other one is under way."""
    bobs = promoted(3, None, by="bob")
    moved = [0]

    def bob(asked_for: str, asked: Asked) -> Answer | None:
        begun = operation == "AddAliases" or "production" in toy.aliases
        if asked_for == operation and begun and not moved[0]:
            moved[0] += 1
            later = toy.aliases.get("production")
            toy.aliases["production"] = toy.versions[3]
            toy.versions[0].metadata = json.dumps({"copydesk_history": json.dumps([asdict(bobs)])})
            if operation == "ProjectArtifacts" and later is not None:
                toy.aliases["production"] = later  # bob was first, and is overwritten
        return None

    server.before = bob
    with pytest.raises(Stale, match="leads to version 3, not to no version any more"):
        Wandb(PLACE).point("toy", promoted(2, None))
    assert moved == [1]
    assert Wandb(PLACE).find("toy", "production").version == 3
    assert Wandb(PLACE).history("toy") == [bobs]


def test_a_line_of_history_that_was_overwritten_is_written_again(server: WandbServer, toy: Sequence) -> None:
    overwritten = [0]

    def overwrite(operation: str, asked: Asked) -> Answer | None:
        if operation == "ProjectArtifacts" and "refused" in toy.versions[0].metadata and not overwritten[0]:
            overwritten[0] += 1
            toy.versions[0].metadata = json.dumps({"copydesk_history": "[]"})
        return None

    server.before = overwrite
    refused = promoted(2, None, action="refused")
    Wandb(PLACE).note("toy", refused)
    assert overwritten == [1]
    assert Wandb(PLACE).history("toy") == [refused]


def test_an_artifact_that_is_not_ours_is_left_alone(server: WandbServer, toy: Sequence, tmp_path: Path) -> None:
    toy.versions[0].metadata = "{}"
    bundle = small_bundle(tmp_path / "next", "next")
    with pytest.raises(RegistryError, match="'toy' in 'team/desk' in W&B was not made by Copydesk"):
        Wandb(PLACE).add(bundle, "toy", facts_for(bundle))
    assert len(toy.versions) == 4
    with pytest.raises(RegistryError, match="'toy' has no version in 'team/desk' in W&B that Copydesk registered"):
        Wandb(PLACE).versions("toy")
    assert Wandb(PLACE).names() == []


def test_facts_that_were_edited_are_told_or_refused(toy: Sequence, tmp_path: Path) -> None:
    facts = json.loads(toy.versions[1].metadata)
    facts["copydesk"]["digest"] = "0" * 64
    toy.versions[1].metadata = json.dumps(facts)
    registry = Wandb(PLACE)
    with pytest.raises(RegistryError, match="was changed behind the registry's back"):
        registry.download(registry.find("toy", 1), tmp_path)
    toy.versions[1].metadata = json.dumps({"copydesk": {"digest": 1}})
    with pytest.raises(RegistryError, match="Version 1 of 'toy' in W&B lost its facts"):
        registry.versions("toy")
    toy.versions[0].metadata = json.dumps({"copydesk_history": "not any more"})
    with pytest.raises(RegistryError, match=r"The book of 'toy' in W&B \(v0\) lost its history"):
        registry.history("toy")


def test_a_file_that_is_only_a_reference_is_not_followed(server: WandbServer, toy: Sequence, tmp_path: Path) -> None:
    artifact = toy.versions[1]
    manifest = json.loads(server.state.files[artifact.manifest])
    manifest["contents"]["recipe.yaml"] = {"digest": "x", "ref": "file:///etc/hostname", "size": 1}
    server.state.files[artifact.manifest] = json.dumps(manifest).encode()
    (tmp_path / "copy").mkdir()
    with pytest.raises(RegistryError, match="has no file 'recipe.yaml' of its own"):
        Wandb(PLACE).download(Wandb(PLACE).find("toy", 1), tmp_path / "copy")
    assert not (tmp_path / "copy" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"WANDB_API_KEY": "z" * 40}, r"W&B does not know the key\. Set WANDB_API_KEY"),
        ({"WANDB_API_KEY": ""}, r"there is no key\. Set WANDB_API_KEY, or run `wandb login`"),
        ({"WANDB_MODE": "offline"}, r"WANDB_MODE is offline, so W&B cannot be reached"),
        ({"WANDB_BASE_URL": "http://127.0.0.1:9"}, r"Check the network and WANDB_BASE_URL"),
    ],
)
def test_without_a_key_or_a_way_it_is_said_what_is_needed(
    toy: Sequence, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RegistryError, match=message) as raised:
        Wandb(PLACE).versions("toy")
    assert KEY not in str(raised.value) and "zzzz" not in str(raised.value)


def test_another_teams_project_is_not_ours(server: WandbServer, tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "bundle")
    with pytest.raises(RegistryError, match="The key may not do this there"):
        Wandb("others/desk").add(bundle, "toy", facts_for(bundle))
    assert server.state.sequences == {}


@pytest.mark.parametrize(
    ("operation", "status", "message"),
    [
        ("ProjectArtifacts", 401, "does not know the key"),
        ("ProjectArtifacts", 429, "asked too often"),
        ("ArtifactMembershipByName", 403, "may not do this"),
        ("ProjectArtifactTypes", 403, "may not do this"),
    ],
)
def test_a_refusal_is_told_and_is_not_taken_for_an_empty_registry(
    server: WandbServer, toy: Sequence, operation: str, status: int, message: str
) -> None:
    registry = Wandb(PLACE)
    version = registry.find("toy", 1)
    _fail(server, operation, Answer(status))
    ask: dict[str, Callable[[], object]] = {
        "ProjectArtifacts": lambda: registry.versions("toy"),
        "ArtifactMembershipByName": lambda: registry.attached(version, "checks"),
        "ProjectArtifactTypes": registry.names,
    }
    with pytest.raises(RegistryError, match=message):
        ask[operation]()


def test_a_reference_leads_to_a_verified_folder(
    server: WandbServer, toy: Sequence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Wandb(PLACE).point("toy", promoted(3, None))
    bundle = opened("wandb://team/desk/toy:production")
    assert bundle.digest == Wandb(PLACE).find("toy", 3).facts.digest
    assert bundle.registered == ModelVersion("toy", "3", "wandb://team/desk/toy:v3")
    monkeypatch.setenv("COPYDESK_CACHE", str(tmp_path / "another"))
    (name,) = (name for name, content in server.state.files.items() if content == b"weights 3")
    server.state.files[name] = b"weights X"
    with pytest.raises(RegistryError, match="is not what was put there, and was not kept"):
        opened("wandb://team/desk/toy:v3")


@pytest.mark.parametrize("place", ["", "team", "team/desk/more", "../desk", "team/a b", "team/"])
def test_a_project_that_could_be_a_path_is_wrong_usage(place: str) -> None:
    with pytest.raises(UsageError, match="is no project in W&B"):
        Wandb(place)


def test_without_wandbs_client_its_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtra, match=r"pip install 'copydesk\[wandb\]'"):
        Wandb(PLACE)
