from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from copydesk.data.sources import read_sources
from copydesk.errors import MissingExtra, SourceError
from copydesk.files import sha256_of
from copydesk.recipe import SourceFile
from copydesk.remote.fetch import Fetched, fetch
from copydesk.remote.retry import Retries
from copydesk.remote.web import ALLOW_PRIVATE_HOSTS
from servers import Faulty, Gcs, Hub, Kaggle, running

ROWS = b"text,label\none,a\ntwo,b\n"
NEWER = b"text,label\nthree,a\n"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with running(Hub({"data/train.csv": ROWS, "README.md": b"# data"})) as server:
        assert isinstance(server, Hub)
        monkeypatch.setenv("HF_ENDPOINT", server.root)
        yield server


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faulty]:
    monkeypatch.setenv(ALLOW_PRIVATE_HOSTS, "1")
    with running(Faulty()) as server:
        assert isinstance(server, Faulty)
        server.content = ROWS
        yield server


@pytest.fixture
def kaggle(storage: Faulty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "kaggle"))
    (tmp_path / "kaggle").mkdir()
    with running(Kaggle(storage)) as server:
        assert isinstance(server, Kaggle)
        monkeypatch.setenv("KAGGLE_API_ENDPOINT", server.root)
        yield server


def _fetch(url: str, cache: Path) -> Fetched:
    return fetch(url, cache=cache, retries=Retries(sleep=lambda _: None))


@pytest.mark.parametrize(
    "url",
    [
        "hf://datasets/owner/name/data/train.csv",
        "hf://owner/name/data/train.csv",
        "hf://datasets/owner/name@main/data/train.csv",
    ],
)
def test_a_file_on_the_hub_is_pinned_to_the_commit_its_branch_stands_at(hub: Hub, tmp_path: Path, url: str) -> None:
    fetched = _fetch(url, tmp_path)
    assert fetched.path.read_bytes() == ROWS
    assert fetched.revision == hub.branches["main"]
    assert f"/resolve/{fetched.revision}/" in hub.gets("/resolve/")[-1].path


def test_a_revision_on_the_hub_is_respected_and_a_branch_that_moved_is_fetched_anew(hub: Hub, tmp_path: Path) -> None:
    old = hub.branches["main"]
    assert _fetch("hf://datasets/owner/name/data/train.csv", tmp_path).path.read_bytes() == ROWS
    hub.commit({"data/train.csv": NEWER})
    hub.commit({"data/train.csv": b"text\nproposed\n"}, "refs/pr/1")
    assert _fetch("hf://datasets/owner/name/data/train.csv", tmp_path).path.read_bytes() == NEWER
    assert _fetch(f"hf://datasets/owner/name@{old}/data/train.csv", tmp_path).path.read_bytes() == ROWS
    proposed = _fetch("hf://datasets/owner/name@refs/pr/1/data/train.csv", tmp_path)
    assert proposed.path.read_bytes() == b"text\nproposed\n"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("hf://datasets/owner/name/train.csv", "does not exist. The repository has: data/train.csv, README.md"),
        ("hf://datasets/owner/name", "names no file on the hub .* Expected hf://datasets/OWNER/NAME"),
        ("hf://datasets/name", "names no file on the hub"),
        ("hf://datasets/owner/name@gone/data/train.csv", "does not exist: the repository has no such revision"),
        ("hf://datasets/owner/other/data/train.csv", "does not exist. If it is private or gated"),
    ],
)
def test_what_is_not_on_the_hub_is_explained(hub: Hub, tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        _fetch(url, tmp_path)


def test_a_private_dataset_asks_for_the_token_and_takes_it(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = "secret"
    with pytest.raises(SourceError, match=r"set HF_TOKEN \(or run `hf auth login`\)"):
        _fetch("hf://datasets/owner/name/data/train.csv", tmp_path)
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert _fetch("hf://datasets/owner/name/data/train.csv", tmp_path).path.read_bytes() == ROWS


def test_without_a_way_to_the_hub_it_is_said_at_once(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(SourceError, match="offline mode is enabled"):
        _fetch("hf://datasets/owner/name/data/train.csv", tmp_path)


def test_a_file_on_kaggle_is_of_the_newest_version(kaggle: Kaggle, tmp_path: Path) -> None:
    fetched = _fetch("kaggle://owner/name/folder/rows.csv", tmp_path)
    assert fetched.path.read_bytes() == ROWS
    assert fetched.revision == "version 3"
    assert "dataset_version_number=3" in kaggle.gets("/download/")[-1].path


def test_a_version_on_kaggle_is_respected(kaggle: Kaggle, tmp_path: Path) -> None:
    assert _fetch("kaggle://owner/name/folder/rows.csv@2", tmp_path).revision == "version 2"
    assert "dataset_version_number=2" in kaggle.gets("/download/")[-1].path
    assert kaggle.gets("/view/") == []


def test_a_file_that_kaggle_sends_zipped_is_unpacked(kaggle: Kaggle, storage: Faulty, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.csv", ROWS)
    storage.content = packed.getvalue()
    assert _fetch("kaggle://owner/name/folder/rows.csv", tmp_path).path.read_bytes() == ROWS
    assert {file.suffix for file in (tmp_path / "downloads").iterdir()} == {"", ".json", ".lock"}


def test_kaggles_credentials_are_found_and_stay_with_kaggle(
    kaggle: Kaggle, storage: Faulty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, basic = tmp_path / "kaggle", "Basic bmFtZTprZXk="  # name:key
    url = "kaggle://owner/name/folder/rows.csv"
    kaggle.authorisation = basic
    with pytest.raises(SourceError, match=r"\(HTTP 403\).* set KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY"):
        _fetch(url, tmp_path / "0")
    (folder / "kaggle.json").write_text(json.dumps({"username": "name", "key": "key"}))
    _fetch(url, tmp_path / "1")
    (folder / "kaggle.json").write_text("{}")
    with pytest.raises(SourceError, match="kaggle.json' does not hold Kaggle's credentials"):
        _fetch(url, tmp_path / "2")
    monkeypatch.setenv("KAGGLE_USERNAME", "name")
    monkeypatch.setenv("KAGGLE_KEY", "key")
    _fetch(url, tmp_path / "3")
    kaggle.authorisation = "Bearer from-file"
    (folder / "access_token").write_text("from-file\n")
    _fetch(url, tmp_path / "4")
    kaggle.authorisation = "Bearer from-environment"
    monkeypatch.setenv("KAGGLE_API_TOKEN", "from-environment")
    _fetch(url, tmp_path / "5")
    assert all("authorization" not in asked.headers for asked in storage.asked)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("kaggle://owner/name", "Expected kaggle://OWNER/NAME/FILE or …/FILE@VERSION"),
        ("kaggle://owner/name/gone.csv", "does not exist. If it is private or asks for consent"),
        ("kaggle://owner/gone/rows.csv", "does not exist"),
    ],
)
def test_what_is_not_on_kaggle_is_explained(kaggle: Kaggle, tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        _fetch(url, tmp_path)


def test_a_file_in_a_google_bucket_has_its_generation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(Gcs(ROWS)) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.root)
        fetched = _fetch("gs://bucket/folder/rows.csv", tmp_path)
        assert fetched.path.read_bytes() == ROWS
        assert fetched.revision == "17"
        with pytest.raises(SourceError, match="does not exist. .* set GOOGLE_APPLICATION_CREDENTIALS"):
            _fetch("gs://bucket/folder/gone.csv", tmp_path)


@pytest.mark.parametrize(
    ("url", "missing", "command"),
    [
        ("s3://bucket/a.csv", "s3fs", "pip install 'copydesk[cloud]'"),
        ("gs://bucket/a.csv", "gcsfs", "pip install 'copydesk[cloud]'"),
        ("hf://owner/name/a.csv", "huggingface_hub", "pip install 'copydesk[train]'"),
    ],
)
def test_a_missing_client_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, missing: str, command: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    waits: list[float] = []
    with pytest.raises(MissingExtra) as raised:
        fetch(url, cache=tmp_path, retries=Retries(waits.append))
    assert waits == []
    assert command in str(raised.value) and missing in str(raised.value)


def test_a_recipes_provenance_names_address_revision_and_checksum(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "local.csv").write_bytes(NEWER)
    sources = [
        SourceFile(url="hf://datasets/owner/name/data/train.csv"),
        SourceFile(url=str(tmp_path / "local.csv")),
    ]
    table = read_sources(sources)
    assert table.frame["text"].to_list() == ["one", "two", "three"]
    assert [set(file) for file in table.files] == [{"url", "revision", "sha256"}, {"url", "sha256"}]
    assert table.files[0]["revision"] == hub.branches["main"]
    assert table.files[1]["sha256"] == sha256_of(tmp_path / "local.csv")
