"""Buckets as users have them: S3 through s3fs, against moto's server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from copydesk.data.prepare import prepare_dataset
from copydesk.errors import SourceError
from copydesk.recipe import parse_recipe
from copydesk.remote.fetch import fetch
from copydesk.remote.retry import Retries
from fakes import toy_rows, write_csv

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
