"""Files written whole or not at all, and their checksums.

Everything Copydesk leaves on disk goes through here: written under a temporary name in the same folder, flushed to
the disk, renamed. What is interrupted leaves nothing behind.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from copydesk.errors import CopydeskError, UsageError

CACHE = "COPYDESK_CACHE"
_REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EFBIG, errno.ENOTDIR, errno.EEXIST)


def cache_folder() -> Path:
    """Return where downloads are kept: COPYDESK_CACHE, else the user's cache folder."""
    chosen = os.environ.get(CACHE)
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "copydesk"


def sha256_of(path: Path) -> str:
    """Return the file's SHA-256 as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401 (any JSON value)
    """Write a value as indented JSON, flushed to the disk. NaN is refused: it is not JSON."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file, flushed to the disk."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def replace_text(path: Path, text: str) -> None:
    """Write a UTF-8 file whole or not at all; one that exists is replaced in one step."""
    with replacing(path) as temporary:
        write_text(temporary, text)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside `path` that takes its place when the block ends, and vanishes if it fails.

    Raises `CopydeskError` if the disk is full or may not be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(descriptor)
        temporary = Path(name)
        try:
            yield temporary
            put_in_place(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def put_in_place(temporary: Path, path: Path) -> None:
    """Flush a finished file to the disk and rename it, in one step, to a path on the same disk."""
    temporary.chmod(0o644)
    _flush(temporary)
    os.replace(temporary, path)
    _flush(path.parent)


def append_text(path: Path, text: str) -> None:
    """Add to the end of a UTF-8 file, flushed to the disk; what cannot be added whole is taken back."""
    added = text.encode()
    with writing(path), path.open("ab", buffering=0) as file:
        before = file.tell()
        try:
            if file.write(added) < len(added):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError:
            file.truncate(before)
            raise


def append_lines(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Append JSON lines in one call, so that several processes may. Raises `CopydeskError` if the disk is full.

    What an earlier call left of a line is ended first, so that it takes no other along. Only the owner may read a new
    file: users' texts may be in it.
    """
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode("utf-8", "replace")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(file).st_size
            if size and os.pread(file, 1, size - 1) != b"\n":
                text = b"\n" + text
            if os.write(file, text) < len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(file)


def refuse_existing(path: Path) -> None:
    """Raise `UsageError` if the output exists already: nothing is ever overwritten."""
    if path.exists():
        raise UsageError(f"Output '{path}' exists already. Choose another --out, or remove it first.")


def next_free(folder: Path, name: str, suffix: str = "") -> Path:
    """Return the first of `folder/NAME-1`, `-2`, … plus `suffix` that does not exist and that nothing is under way for.

    What is under way stands beside it, as `.NAME-1.` and more: a run to resume, a folder that is being written.
    """
    number = 1
    while (path := folder / f"{name}-{number}{suffix}").exists() or any(folder.glob(f".{path.name}.*")):
        number += 1
    return path


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `path` when the block ends, and vanishes if it fails.

    Raises `UsageError` if `path` exists, `CopydeskError` if the disk is full or may not be written.
    """
    refuse_existing(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        with writing(path):
            yield temporary
            for file in [temporary, *temporary.rglob("*")]:
                runs = file.is_dir() or file.stat().st_mode & 0o100
                file.chmod(0o755 if runs else 0o644)  # some libraries write for the owner alone
                _flush(file)
            os.rename(temporary, path)
            _flush(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def locked(lock_file: Path, held: ExitStack) -> bool:
    """Hold a file, whose folder is made, until `held` is closed or the process ends; tell whether nobody else did."""
    from filelock import FileLock, Timeout

    lock_file.parent.mkdir(parents=True, exist_ok=True)
    try:
        held.enter_context(FileLock(lock_file, timeout=0))
    except Timeout:
        return False
    return True


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a disk's refusal inside the block (full, read-only, not permitted) into an error that names `path`."""
    try:
        yield
    except Exception as error:
        reason = _refusal(error)
        if reason is None:
            raise
        raise CopydeskError(
            f"'{path}' cannot be written: {reason}. Nothing was left behind; make room, or choose another place."
        ) from error


def _refusal(error: Exception) -> str | None:
    """Return why the disk refused, if it did. Libraries written in Rust name the system's error in their message."""
    if isinstance(error, OSError) and error.errno in _REFUSALS:
        return os.strerror(error.errno)
    return next((os.strerror(number) for number in _REFUSALS if f"os error {number})" in str(error)), None)
