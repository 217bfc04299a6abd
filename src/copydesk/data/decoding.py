"""A file's text, line by line: unpacked, decoded, and never whole in memory.

It says in which line a file stops being what it should be. It knows no format.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NoReturn

from copydesk.errors import SourceError

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WEB_PAGE = ("<!doctype html", "<html")
_START_BYTES = 4_096
_BLOCK_BYTES = 1 << 20
_MOST_NULS = 0.1
"""A stray NUL is a flaw of the text, and normalisation removes it; more mean another encoding."""


@contextmanager
def unpacked(path: Path, url: str) -> Iterator[BinaryIO]:
    """Yield the file's bytes, unpacked if it is gzip whatever its name. Raises `SourceError` if it is damaged."""
    with path.open("rb") as file:
        packed = file.peek(2)[:2] == b"\x1f\x8b"
        try:
            yield gzip.GzipFile(fileobj=file, mode="rb") if packed else file  # type: ignore[misc]
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise SourceError(f"'{url}' is a damaged or truncated gzip file: {error}.") from error


@contextmanager
def text_lines(path: Path, url: str, encoding: str = "auto", *, newline: str = "\n") -> Iterator[Iterator[str]]:
    r"""Yield the lines with their ends, which are `\n`, or any with `newline=""`; a byte-order mark is left out.

    `auto` is UTF-8, or what a byte-order mark says. Raises `SourceError` for an empty file, and with the line where
    the encoding does not fit.
    """
    with unpacked(path, url) as file:
        start = file.read(_START_BYTES)
        if not start:
            raise SourceError(f"'{url}' is empty.")
        file.seek(0)
        found = _encoding_of(start, url) if encoding == "auto" else encoding
        with io.TextIOWrapper(file, found, newline=newline) as text:
            try:
                yield _without_mark(text, url)
            except UnicodeDecodeError:
                _refuse(path, url, found)


def _encoding_of(start: bytes, url: str) -> str:
    found = next((name for mark, name in _BYTE_ORDER_MARKS.items() if start.startswith(mark)), None)
    if found is None and start.count(0) > len(start) * _MOST_NULS:
        raise SourceError(
            f"'{url}' has {start.count(0):,} NULs among its first {len(start):,} bytes. If it is UTF-16 (\"Unicode\" "
            "in older Windows programs), set `encoding: utf-16-le` in the recipe's source; else it is no text file."
        )
    return found or "utf-8"


def _without_mark(lines: Iterator[str], url: str) -> Iterator[str]:
    first = next(lines, "").removeprefix("\ufeff")
    if first.lstrip().lower().startswith(_WEB_PAGE):
        raise SourceError(
            f"'{url}' is a web page, not a file of data. Give the address of the file itself (the link behind Download "
            "or Raw)."
        )
    yield first
    yield from lines


def _refuse(path: Path, url: str, encoding: str) -> NoReturn:
    """Read the file again, to say which byte in which line is wrong."""
    decoder, line = codecs.getincrementaldecoder(encoding)(), 1
    with unpacked(path, url) as file:
        while True:
            block = file.read(_BLOCK_BYTES)
            try:
                line += decoder.decode(block, final=not block).count("\n")
            except UnicodeDecodeError as error:
                line += error.object[: error.start].decode(encoding, "ignore").count("\n")
                raise SourceError(
                    f"'{url}' is not {encoding.upper()}: byte 0x{error.object[error.start]:02x} in line {line}. Name "
                    "its encoding in the recipe's source (`encoding: windows-1252` for a file of an older Windows "
                    "program), or convert it: iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW."
                ) from None
            if not block:
                raise SourceError(f"'{url}' changed while it was read.")
