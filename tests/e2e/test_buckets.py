"""Buckets as users have them: S3 through s3fs, against moto's server; Google's through gcsfs, against an emulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from copydesk.bundle import open_bundle
from copydesk.bundle_store import BundleStore
from copydesk.data.prepare import prepare_dataset
from copydesk.errors import SourceError
from copydesk.models.checkpoints import Work, is_whole
from copydesk.recipe import parse_recipe
from copydesk.registry.references import opened
from copydesk.remote.fetch import fetch
from copydesk.remote.retry import Retries
from copydesk.runs.stored import StoredRun
from fakes import Listener, toy_rows, write_csv
from registry_contract import small_bundle

pytestmark = pytest.mark.e2e
AT_ONCE = Retries(sleep=lambda _: None)


def test_a_dataset_is_prepared_from_a_bucket_with_its_provenance(s3: Any, tmp_path: Path) -> None:
    rows = write_csv(tmp_path / "rows.csv", toy_rows())
    stored = s3.put_object(Bucket="bucket", Key="folder/rows.csv", Body=rows.read_bytes())
    recipe = parse_recipe({"name": "toy", "source": [{"url": "s3://bucket/folder/rows.csv"}]})
    dataset = prepare_dataset(recipe)
    assert dataset.content_hash() == prepare_dataset(recipe, rows).content_hash()
    assert dataset.manifest["sources"][0]["revision"] == stored["ETag"].strip('"')


def test_a_changed_object_is_fetched_anew_and_an_old_version_by_its_id(s3: Any, tmp_path: Path) -> None:
    s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    old = s3.put_object(Bucket="bucket", Key="a.csv", Body=b"old" * 1_000_000)["VersionId"]
    assert fetch("s3://bucket/a.csv", cache=tmp_path, retries=AT_ONCE).path.stat().st_size == 3_000_000
    s3.put_object(Bucket="bucket", Key="a.csv", Body=b"new")
    newest = fetch("s3://bucket/a.csv", cache=tmp_path, retries=AT_ONCE)
    assert newest.path.read_bytes() == b"new"
    before = fetch(f"s3://bucket/a.csv?versionId={old}", cache=tmp_path, retries=AT_ONCE)
    assert (before.path.stat().st_size, before.revision) == (3_000_000, old)


def test_what_is_not_there_or_not_allowed_is_explained(s3: Any, tmp_path: Path) -> None:
    s3.put_object(Bucket="bucket", Key="folder/a.csv", Body=b"x")
    for url, message in (
        ("s3://bucket/gone.csv", "does not exist. If the bucket is not public, set AWS_ACCESS_KEY_ID"),
        ("s3://other/a.csv", "does not exist"),
        ("s3://bucket/folder", "is a folder. Name one file in it"),
    ):
        with pytest.raises(SourceError, match=message):
            fetch(url, cache=tmp_path, retries=AT_ONCE)


def test_without_credentials_a_public_object_is_read(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.put_object(Bucket="bucket", Key="a.csv", Body=b"public", ACL="public-read")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    assert fetch("s3://bucket/a.csv", cache=tmp_path, retries=AT_ONCE).path.read_bytes() == b"public"


def test_a_resumed_download_is_the_whole_object(s3: Any, tmp_path: Path) -> None:
    content = bytes(range(256)) * 100_000
    s3.put_object(Bucket="bucket", Key="big.bin", Body=content)
    whole = fetch("s3://bucket/big.bin", cache=tmp_path, retries=AT_ONCE).path
    partial = whole.with_name(f"{whole.name}.part")
    whole.rename(partial)
    with partial.open("r+b") as file:
        file.truncate(10_000_000)
    assert fetch("s3://bucket/big.bin", cache=tmp_path, retries=AT_ONCE).path.read_bytes() == content


@pytest.fixture(params=["s3", "gs"])
def place(request: pytest.FixtureRequest) -> str:
    """Return the address of a folder in a bucket of each kind."""
    found = request.getfixturevalue(request.param)
    return found if request.param == "gs" else "s3://bucket/folder"


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # gcsfs's way, and not ours to mend
def test_checkpoints_go_into_a_bucket_and_come_out_whole(place: str, tmp_path: Path) -> None:
    stored = StoredRun(place, "toy", "0" * 16)
    stored.begin({"recipe": "toy"})
    for step in (2, 4, 6, 8):
        folder = tmp_path / "one" / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(bytes(range(256)) * 30_000)  # more than goes in one piece
        (folder / "trainer_state.json").write_text('{"best_model_checkpoint": "checkpoint-2"}', "utf-8")
        Work(tmp_path / "one").seal(folder)
        stored.upload(folder)
    halves = [False, True]
    stored.upload(folder, stop=iter(halves).__next__)
    stored.prune()
    assert [found.step for found in stored.whole()] == [8, 6, 2]
    fetched = stored.fetch(8, Work(tmp_path / "other"), Listener())
    assert fetched is not None and is_whole(fetched) and is_whole(tmp_path / "other" / "checkpoint-2")
    stored.remove()
    assert stored.whole() == [] and stored.place.files() == []


def test_a_bundle_is_put_into_a_bucket_and_opened_from_there(place: str, tmp_path: Path) -> None:
    bundle = open_bundle(small_bundle(tmp_path / "toy", "weights").path)
    store = BundleStore(f"{place}/bundle")
    assert not store.begin("run")
    store.upload(bundle)
    assert store.begin("run") and opened(store.url).digest == bundle.digest
