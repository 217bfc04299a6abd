"""Tokenise once: token ids are kept as Arrow files in the cache folder and read back through a memory map.

The key is the texts, the tokenizer's files and how long texts are read; nothing else decides the ids.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from copydesk.files import cache_folder, sha256_of
from copydesk.models.encoder import EncoderModel
from copydesk.models.tokens import Tokens

_WORTH_KEEPING = 2_000
"""Fewer texts are tokenised again in a moment."""
_MOST_FILES = 40


def encode_cached(model: EncoderModel, tokenizer: Path, texts: Sequence[str]) -> Tokens:
    """Return the texts' tokens, from the cache if they are there; `tokenizer` is the folder with its files.

    A cache that cannot be read or written costs time, never the run.
    """
    if len(texts) < _WORTH_KEEPING:
        return model.encode(texts)
    path = cache_folder() / "tokens" / f"{_key(model, tokenizer, texts)}.arrow"
    try:
        return _read(path, len(texts))
    except (OSError, pa.ArrowException):
        tokens = model.encode(texts)
    try:
        _write(path, tokens)
    except (OSError, pa.ArrowException):
        return tokens
    return tokens


def _key(model: EncoderModel, tokenizer: Path, texts: Sequence[str]) -> str:
    digest = hashlib.sha256(repr((model.reader.reading, len(texts))).encode())
    for file in sorted(path for path in tokenizer.iterdir() if path.is_file() and path.suffix != ".safetensors"):
        digest.update(f"{file.name} {sha256_of(file)}\n".encode())
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:40]


def _read(path: Path, texts: int) -> Tokens:
    with pa.memory_map(str(path)) as source:
        table = pa.ipc.open_file(source).read_all()
    ids = table["ids"].chunk(0)
    segments = table["segments"].chunk(0) if "segments" in table.column_names else None
    starts = ids.offsets.to_numpy().astype(np.int64)
    owner = table["owner"].chunk(0).to_numpy()
    os.utime(path)
    flat = ids.values.to_numpy()
    return Tokens(flat, None if segments is None else segments.values.to_numpy(), starts, owner, texts)


def _write(path: Path, tokens: Tokens) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    starts = pa.array(tokens.starts)
    columns = {"ids": pa.LargeListArray.from_arrays(starts, pa.array(tokens.ids)), "owner": pa.array(tokens.owner)}
    if tokens.segments is not None:
        columns["segments"] = pa.LargeListArray.from_arrays(starts, pa.array(tokens.segments))
    table = pa.table(columns)
    temporary = path.with_suffix(f".{os.getpid()}.new")
    with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    temporary.replace(path)
    oldest = sorted(path.parent.glob("*.arrow"), key=lambda file: file.stat().st_mtime)[:-_MOST_FILES]
    for file in oldest:
        file.unlink(missing_ok=True)
