"""The registry on the Hugging Face Hub, through the Hub's own client, against a Hub on this machine."""

from __future__ import annotations

import copy
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from copydesk.bundle import Bundle, Layout, Settings, open_bundle, write_bundle
from copydesk.errors import MissingExtra, RegistryError, Stale, UsageError
from copydesk.registry.base import Registered, Registry
from copydesk.registry.hub import Hub
from copydesk.registry.references import opened
from copydesk.types import ModelVersion
from hub_server import ModelHub, Repository
from registry_contract import RegistryContract, facts_for, promoted, small_bundle
from servers import Answer, Asked, running

# The Hub's own client uses an outdated argument of its HTTP library when it uploads without Xet.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")
TOKEN, LEDGER = "hf_secret", "copydesk.json"
CUT = Answer(body=b"cut off", cut=True)
_THREE: dict[str, object] = {}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub.utils._http.time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with running(ModelHub({TOKEN: "owner", "hf_other": "other"})) as server:
        assert isinstance(server, ModelHub)
        monkeypatch.setenv("HF_ENDPOINT", server.root)
        yield server


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return _large(small_bundle(tmp_path / "bundle"), tmp_path)


def _large(bundle: Bundle, folder: Path, content: str = "large") -> Bundle:
    """Return a bundle with a file that the Hub takes as a large one."""

    def fill(layout: Layout) -> Settings:
        (layout.model / "model.safetensors").write_text(content * 1_000)
        layout.card.write_text("# toy\n")
        return bundle.settings

    return write_bundle(folder / f"large-{content}", recipe=bundle.recipe, facts={}, fill=fill)


def _hub() -> Hub:
    return Hub("owner", sleep=lambda _: None)


def _add(bundle: Bundle) -> Registered:
    return _hub().add(bundle, "toy", facts_for(bundle))


def _refuse(server: ModelHub, method: str, part: str, answer: Answer, times: int = 1_000) -> None:
    """Let the server refuse requests before it does what they ask."""
    left = [answer] * times

    def before(asked: Asked) -> Answer | None:
        return left.pop() if left and asked.method == method and part in asked.path else None

    server.before = before


def _downloaded(version: Registered, folder: Path) -> Bundle:
    folder.mkdir()
    _hub().download(version, folder)
    return open_bundle(folder)


class TestContract(RegistryContract):
    @pytest.fixture
    def registry(self, server: ModelHub) -> Registry:
        return _hub()

    @pytest.fixture
    def again(self, registry: Registry) -> Callable[[], Registry]:
        return _hub

    @pytest.fixture
    def three(self, server: ModelHub, registry: Registry, bundles: list[Bundle]) -> list[Registered]:
        """Register three versions, and after that begin with what the server then held: it takes a second."""
        if not _THREE:
            versions = [registry.add(bundle, "toy", facts_for(bundle)) for bundle in bundles]
            _THREE.update(versions=versions, repositories=server.repositories)
        server.repositories = copy.deepcopy(_THREE["repositories"])  # type: ignore[assignment]
        return list(_THREE["versions"])  # type: ignore[call-overload]


def test_a_version_is_a_tag_at_a_commit_with_exactly_its_files(server: ModelHub, tmp_path: Path) -> None:
    first, second = (_large(small_bundle(tmp_path / name, name), tmp_path, name) for name in ("a", "b"))
    plain = small_bundle(tmp_path / "plain")
    for bundle in (first, plain, second):
        _add(bundle)
    repository = server.repositories["owner/toy"]
    assert sorted(repository.tags) == ["v1", "v2", "v3"]
    for tag, bundle in zip(("v1", "v2", "v3"), (first, plain, second), strict=True):
        files = repository.commits[repository.tags[tag]]
        inside = {path: content for path, content in files.items() if path.startswith("bundle/")}
        assert inside == {
            f"bundle/{file.relative_to(bundle.path).as_posix()}": file.read_bytes()
            for file in [*bundle.layout.files(), bundle.layout.manifest]
        }
    assert repository.private


def test_the_card_has_the_metrics_and_keeps_what_people_added(server: ModelHub, bundle: Bundle, tmp_path: Path) -> None:
    _add(bundle)
    repository = server.repositories["owner/toy"]
    head, text = repository.files["README.md"].decode().removeprefix("---\n").split("---\n", 1)
    metadata = yaml.safe_load(head)
    assert text.strip() == "# toy"
    assert {"copydesk", "single"} <= set(metadata["tags"])
    measured = {entry["type"]: entry["value"] for entry in metadata["model-index"][0]["results"][0]["metrics"]}
    assert measured == {"accuracy": pytest.approx(0.98765432101), "macro_f1": 0.9}
    changed = f"---\nlicense: mit\n{head}---\n{text}".encode()
    repository.commit({**repository.files, "README.md": changed})
    _add(small_bundle(tmp_path / "next"))
    assert yaml.safe_load(repository.files["README.md"].decode().split("---\n")[1])["license"] == "mit"


def test_a_card_that_was_spoilt_by_hand_is_told(server: ModelHub, bundle: Bundle, tmp_path: Path) -> None:
    _add(bundle)
    repository = server.repositories["owner/toy"]
    repository.commit({**repository.files, "README.md": b"---\nlicense: [mit\n---\n"})
    with pytest.raises(RegistryError, match=r"metadata of the README.md on the Hub cannot be read.*Mend them there"):
        _add(small_bundle(tmp_path / "next"))


def test_a_repository_that_is_not_ours_is_left_alone(server: ModelHub, bundle: Bundle) -> None:
    server.repositories["owner/toy"] = theirs = Repository(private=False)
    commit = theirs.commit({"config.json": b"{}", ".gitattributes": b""})
    with pytest.raises(RegistryError, match=r"'owner/toy' on the Hub was not made by Copydesk: it holds config.json"):
        _add(bundle)
    assert (theirs.branch, theirs.tags) == (commit, {})
    with pytest.raises(RegistryError, match="has no version that Copydesk registered"):
        _hub().find("toy", 1)


def test_an_empty_repository_made_by_hand_is_taken(server: ModelHub, bundle: Bundle) -> None:
    server.repositories["owner/toy"] = Repository(private=False)
    server.repositories["owner/toy"].commit({".gitattributes": b""})
    assert _add(bundle).version == 1


@pytest.mark.parametrize(
    ("token", "owner", "message"),
    [
        ("hf_wrong", "owner", r"does not know the token.*Set HF_TOKEN to one that may write .*HTTP 401"),
        ("", "owner", r"does not know the token, or there is none\. .*run `hf auth login` \(HTTP 401"),
        ("hf_other", "owner", r"may not do this there\. Use one with write access .*HTTP 403"),
    ],
)
def test_a_token_that_may_not_write_is_told_what_is_needed(
    server: ModelHub, bundle: Bundle, monkeypatch: pytest.MonkeyPatch, token: str, owner: str, message: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "nowhere")
    with pytest.raises(RegistryError, match=message) as raised:
        _hub().add(bundle, "toy", facts_for(bundle))
    assert "hf_" not in str(raised.value).replace("https", "")
    assert server.repositories == {}


def test_a_public_model_of_others_is_read_and_not_written(
    server: ModelHub, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = _add(bundle)
    server.repositories["owner/toy"].private = False
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    assert _downloaded(_hub().find("toy", 1), tmp_path / "copy").digest == bundle.digest
    with pytest.raises(RegistryError, match="HTTP 403"):
        _hub().point("toy", promoted(1, None))
    assert _hub().versions("toy") == [version]


@pytest.mark.parametrize(
    ("status", "message"),
    [(429, "asked too often. Wait some minutes"), (503, "has a fault of its own"), (402, "storage for private models")],
)
def test_the_hubs_refusals_are_explained(server: ModelHub, bundle: Bundle, status: int, message: str) -> None:
    _add(bundle)
    _refuse(server, "POST", "/commit/", Answer(status))
    with pytest.raises(RegistryError, match=rf"'toy' of 'owner' on the Hub: .*{message}.*\(HTTP {status}"):
        _hub().point("toy", promoted(1, None))


def test_without_a_network_or_offline_it_is_said(
    server: ModelHub, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(bundle)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(RegistryError, match="HF_HUB_OFFLINE keeps Copydesk from it"):
        _hub().find("toy", 1)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(RegistryError, match="does not answer .*Check the network and HF_ENDPOINT"):
        _hub().find("toy", 1)


@pytest.mark.parametrize(
    ("method", "part"), [("PUT", "/storage/"), ("POST", "/batch"), ("POST", "/commit/"), ("POST", "/preupload/")]
)
def test_an_upload_that_breaks_off_registers_nothing_and_can_be_done_again(
    server: ModelHub, bundle: Bundle, method: str, part: str
) -> None:
    _refuse(server, method, part, CUT)
    with pytest.raises(RegistryError, match="does not answer"):
        _add(bundle)
    server.before = lambda asked: None
    assert _hub().names() == []
    with pytest.raises(RegistryError, match="has no version that Copydesk registered"):
        _hub().find("toy", 1)
    assert _add(bundle).version == 1


def test_files_that_nothing_names_are_no_version(server: ModelHub, bundle: Bundle, tmp_path: Path) -> None:
    commits = [0]

    def killed(asked: Asked) -> Answer | None:
        commits[0] += asked.method == "POST" and "/commit/" in asked.path
        return Answer(403) if commits[0] > 2 else None  # the first is the empty ledger's, the second the files'

    server.before = killed
    with pytest.raises(RegistryError, match="HTTP 403"):
        _add(bundle)
    server.before = lambda asked: None
    assert "bundle/manifest.json" in server.repositories["owner/toy"].files
    assert _hub().names() == []
    other = small_bundle(tmp_path / "other")
    assert _downloaded(_add(other), tmp_path / "copy").digest == other.digest


def test_a_change_whose_answer_was_lost_is_made_once(server: ModelHub, bundle: Bundle) -> None:
    lost = [0]

    def lose(asked: Asked, answer: Answer) -> Answer:
        if asked.method != "POST" or "/commit/" not in asked.path or answer.status != 200:
            return answer
        lost[0] += 1
        return CUT if lost[0] % 2 else answer

    server.after = lose
    assert _add(bundle).version == 1
    _hub().point("toy", promoted(1, None))
    server.after = lambda asked, answer: answer
    assert _hub().history("toy") == [promoted(1, None)]
    assert [one.aliases for one in _hub().versions("toy")] == [("production",)]
    assert lost[0] > 2


def test_a_bundle_of_which_the_hub_leaves_out_a_file_is_no_version(server: ModelHub, bundle: Bundle) -> None:
    _add(bundle)
    repository = server.repositories["owner/toy"]
    repository.commit({**repository.files, ".gitignore": b"weights.txt\n"})
    with pytest.raises(RegistryError, match=r"did not keep the bundle whole: bundle/model/weights.txt.*\.gitignore"):
        _add(small_bundle(bundle.path.parent / "other"))
    assert [one.version for one in _hub().versions("toy")] == [1]


def test_of_two_who_move_an_alias_at_once_one_is_told(server: ModelHub, tmp_path: Path) -> None:
    for number in (1, 2):
        _add(small_bundle(tmp_path / str(number), str(number)))

    def first(asked: Asked) -> Answer | None:
        if asked.method == "POST" and "/commit/" in asked.path:
            server.before = lambda asked: None
            _hub().point("toy", promoted(2, None, by="bob"))
        return None

    server.before = first
    with pytest.raises(Stale, match="leads to version 2, not to no version any more: somebody moved it meanwhile"):
        _hub().point("toy", promoted(1, None))
    assert _hub().history("toy") == [promoted(2, None, by="bob")]


def test_many_who_register_and_move_at_once_lose_nothing(server: ModelHub, tmp_path: Path) -> None:
    bundles = [small_bundle(tmp_path / str(number), str(number)) for number in range(4)]
    with ThreadPoolExecutor(4) as threads:
        added = list(threads.map(_add, bundles))
    assert sorted(one.version for one in added) == [1, 2, 3, 4]
    for one, bundle in zip(added, bundles, strict=True):
        assert _downloaded(one, tmp_path / f"copy-{one.version}").digest == bundle.digest

    def move(version: int) -> bool:
        try:
            _hub().point("toy", promoted(version, None))
        except Stale:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(move, range(1, 5))) == 1
    (done,) = _hub().history("toy")
    assert _hub().find("toy", "production").version == done.version


def test_a_tag_that_was_missed_is_made_when_the_bundle_is_registered_again(server: ModelHub, bundle: Bundle) -> None:
    _refuse(server, "POST", "/tag/", Answer(503))
    with pytest.raises(RegistryError, match="HTTP 503"):
        _add(bundle)
    server.before = lambda asked: None
    assert [one.version for one in _hub().versions("toy")] == [1]
    assert server.repositories["owner/toy"].tags == {}
    assert _add(bundle).version == 1
    assert list(server.repositories["owner/toy"].tags) == ["v1"]


def test_a_tag_that_somebody_set_is_not_overwritten(server: ModelHub, bundle: Bundle, tmp_path: Path) -> None:
    _add(bundle)
    repository = server.repositories["owner/toy"]
    repository.tags["v2"] = theirs = repository.commit({**repository.files, "notes.txt": b"theirs"})
    assert _add(small_bundle(tmp_path / "next")).version == 3
    assert repository.tags["v2"] == theirs
    with pytest.raises(RegistryError, match="'toy' has no version 2. Its versions: 1, 3"):
        _hub().find("toy", 2)


def test_a_tag_that_was_moved_misleads_nobody(server: ModelHub, bundle: Bundle, tmp_path: Path) -> None:
    version = _add(bundle)
    repository = server.repositories["owner/toy"]
    repository.tags["v1"] = repository.commit({**repository.files, "bundle/model/model.safetensors": b"evil"})
    assert _downloaded(version, tmp_path / "copy").digest == bundle.digest


def _edit(repository: Repository, **kept: object) -> None:
    """Change what the ledger says of the first version, and commit it."""
    ledger = json.loads(repository.files[LEDGER])
    ledger["versions"]["1"].update(kept)
    repository.commit({**repository.files, LEDGER: json.dumps(ledger).encode()})


def test_files_changed_behind_the_registrys_back_are_refused(server: ModelHub, bundle: Bundle, tmp_path: Path) -> None:
    _add(bundle)
    repository = server.repositories["owner/toy"]
    manifest = repository.files["bundle/manifest.json"].replace(b'"format": 1', b'"format":  1')
    _edit(repository, place=repository.commit({**repository.files, "bundle/manifest.json": manifest}))
    (tmp_path / "copy").mkdir()
    with pytest.raises(RegistryError, match=r"Version 1 of 'toy' was changed behind the registry's back"):
        _hub().download(_hub().find("toy", 1), tmp_path / "copy")
    assert list((tmp_path / "copy").iterdir()) == []


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../../b"])
def test_a_manifest_that_names_a_place_outside_fetches_nothing(
    server: ModelHub, bundle: Bundle, tmp_path: Path, path: str
) -> None:
    version = _add(bundle)
    repository = server.repositories["owner/toy"]
    listed = json.loads(repository.files["bundle/manifest.json"])
    listed["files"][path] = {"sha256": "0" * 64, "bytes": 1}
    manifest = json.dumps(listed).encode()
    _edit(repository, place=repository.commit({**repository.files, "bundle/manifest.json": manifest}))
    forged = replace(version, facts=replace(version.facts, digest=hashlib.sha256(manifest).hexdigest()))
    (tmp_path / "copy").mkdir()
    with pytest.raises(RegistryError, match="Nothing was fetched: .* It is not to be trusted"):
        _hub().download(forged, tmp_path / "copy")


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"format": 9}', b'{"versions": {"one": {}}}'])
def test_a_ledger_that_is_none_is_told(server: ModelHub, bundle: Bundle, content: bytes) -> None:
    _add(bundle)
    repository = server.repositories["owner/toy"]
    repository.commit({**repository.files, LEDGER: content})
    with pytest.raises(RegistryError, match=r"'copydesk.json' in 'owner/toy' is not Copydesk's"):
        _hub().versions("toy")


def test_looking_again_at_what_has_not_changed_is_one_request(server: ModelHub, bundle: Bundle) -> None:
    _add(bundle)
    _hub().find("toy", 1)
    asked = len(server.asked)
    _hub().find("toy", 1)
    assert len(server.asked) == asked + 1


@pytest.mark.parametrize("name", ["a--b", "a..b", "end-", "end."])
def test_names_that_the_hub_does_not_take_are_told(server: ModelHub, bundle: Bundle, name: str) -> None:
    with pytest.raises(RegistryError, match="is no name on the Hub"):
        _hub().add(bundle, name, facts_for(bundle))
    assert server.asked == []


def test_a_reference_leads_to_a_verified_folder(
    server: ModelHub, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(bundle)
    _hub().point("toy", promoted(1, None))
    assert opened("hf://owner/toy@production").digest == bundle.digest
    asked = len(server.gets("/bundle/"))
    assert opened("hf://owner/toy@v1").registered == ModelVersion("toy", "1", "hf://owner/toy@v1")
    assert len(server.gets("/bundle/")) == asked
    monkeypatch.setenv("COPYDESK_CACHE", str(tmp_path / "another"))
    repository = server.repositories["owner/toy"]
    weights = b"x" * 5_000
    server.large[hashlib.sha256(weights).hexdigest()] = weights
    _edit(repository, place=repository.commit({**repository.files, "bundle/model/model.safetensors": weights}))
    with pytest.raises(RegistryError, match="is not what was put there, and was not kept"):
        opened("hf://owner/toy@v1")


def test_an_owner_that_could_be_a_path_is_wrong_usage() -> None:
    for owner in ("", "a/b", "../a", "a b"):
        with pytest.raises(UsageError, match="is no owner on the Hugging Face Hub"):
            Hub(owner)


def test_without_the_hubs_client_its_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", None)
    with pytest.raises(MissingExtra, match=r"pip install 'copydesk\[registry\]'"):
        Hub("owner")
