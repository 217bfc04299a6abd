import errno
import json
import os
from pathlib import Path

import pytest

from copydesk.errors import CopydeskError, UsageError
from copydesk.files import append_text, new_folder, next_free, sha256_of, write_json


def test_a_folder_appears_only_when_it_is_finished(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "out"
    with new_folder(target) as folder:
        (folder / "a.txt").write_text("a")
        assert not target.exists()
    assert (target / "a.txt").read_text() == "a"
    assert list(target.parent.iterdir()) == [target]


def test_what_is_finished_can_be_read_by_others(tmp_path: Path) -> None:
    with new_folder(tmp_path / "out") as folder:
        (folder / "a.txt").write_text("a")
        (folder / "a.txt").chmod(0o600)
    assert (tmp_path / "out" / "a.txt").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("failure", [ValueError("no"), KeyboardInterrupt()])
def test_what_fails_or_is_interrupted_leaves_nothing_behind(tmp_path: Path, failure: BaseException) -> None:
    with pytest.raises(type(failure)), new_folder(tmp_path / "out") as folder:
        (folder / "half.txt").write_text("half")
        raise failure
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_exists_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match="exists already. Choose another --out"), new_folder(tmp_path / "out"):
        pytest.fail("must not be reached")


def test_names_are_numbered_and_those_under_way_are_taken(tmp_path: Path) -> None:
    assert next_free(tmp_path / "none yet", "news") == tmp_path / "none yet" / "news-1"
    (tmp_path / "news-1.parquet").touch()
    (tmp_path / ".news-2.parquet.collecting").mkdir()
    (tmp_path / "news-other-3.parquet").touch()
    assert next_free(tmp_path, "news", ".parquet").name == "news-3.parquet"
    with new_folder(tmp_path / "toy-1"):
        assert next_free(tmp_path, "toy").name == "toy-2"


def test_a_full_disk_is_explained_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with (
        pytest.raises(CopydeskError, match="No space left on device. Nothing was left behind"),
        new_folder(tmp_path / "o"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_recognised_in_the_words_of_other_libraries(tmp_path: Path) -> None:
    message = "Error while serializing: I/O error: No space left on device (os error 28)"
    with pytest.raises(CopydeskError, match="No space left on device. Nothing"), new_folder(tmp_path / "o"):
        raise RuntimeError(message)


def test_other_failures_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), new_folder(tmp_path / "o"):
        (tmp_path / "missing").read_text()


def test_an_output_below_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CopydeskError, match="cannot be written"), new_folder(tmp_path / "file" / "out"):
        pytest.fail("must not be reached")


def test_json_is_readable_and_refuses_what_json_does_not_have(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"é": 1.5})
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == {"é": 1.5}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "b.json", float("nan"))


def test_the_checksum_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256_of(tmp_path / "x").startswith("ba7816bf8f01cfea")


def test_text_is_added_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("eins\n", "utf-8")
    append_text(tmp_path / "log", "zwölf\n")
    assert (tmp_path / "log").read_text("utf-8") == "eins\nzwölf\n"


def test_what_cannot_be_added_whole_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log").write_text("eins\n")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CopydeskError, match="'.*log' cannot be written: No space left on device"):
        append_text(tmp_path / "log", "zwei\n")
    assert (tmp_path / "log").read_text() == "eins\n"
