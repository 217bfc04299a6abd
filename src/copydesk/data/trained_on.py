"""What a model was trained on, without the texts: hashes and sketches by which a test text is found among them.

A bundle keeps, for each distinct text of the training and of the validation part, a hash of 8 bytes and a sketch of 64:
one bit of each of 512 MinHash values over the character 4-grams (b-bit MinHash with b = 1: Li & König 2010). Two
sketches that agree in a share p of their bits belong to texts of Jaccard similarity about 2 p - 1, with a standard
error of 0.03 at 0.65. The validation part counts too, as temperature, thresholds and early stopping were chosen on it,
but apart from what was learnt.

No text can be read from a sketch. Who has a text can tell whether it, or one like it, was trained on: that is what
sketches are for. It does not see a translation, or a text said in other words; and it is the word of who trained the
model, which a signature can vouch for and nothing else.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from copydesk.data.duplicates import SHINGLE_CHARACTERS, Shingles, shingled
from copydesk.errors import BundleError
from copydesk.ngrams import chunked

NEAR = 0.65
"""From this estimated similarity on a text is a near copy (measured: docs/LOG.md)."""
MOST_SKETCHES = 100_000
"""Of so many texts of a part sketches are kept (6.4 MB), of all the hash."""
_BITS = 512
_BYTES = _BITS // 8
_SEED = 2
_BLOCK = (128, 2_048)
"""Texts and sketches compared at a time: the distances then stay in the processor's cache."""

Origin = Literal["train", "validation"]
ORIGINS: tuple[Origin, ...] = ("train", "validation")
Hashes = NDArray[np.uint64]
Bits = NDArray[np.uint8]


@dataclass(frozen=True)
class Sketched:
    """One part's distinct texts: `hashes`, sorted, and the sketches, shape (texts, 64), of the first of them."""

    hashes: Hashes
    sketches: Bits


@dataclass(frozen=True)
class TrainedOn:
    """The sketches of the texts that a model saw, by part."""

    parts: dict[Origin, Sketched]

    @property
    def sketched(self) -> float:
        """The share of the texts whose near copies can be found; copies are found of all."""
        texts = sum(len(part.hashes) for part in self.parts.values())
        return sum(len(part.sketches) for part in self.parts.values()) / texts if texts else 1.0

    def save(self, path: Path) -> None:
        """Write the sketches as safetensors."""
        from safetensors.numpy import save_file

        tensors: dict[str, NDArray[Any]] = {}
        for name, part in self.parts.items():
            tensors |= {f"{name}.hashes": part.hashes, f"{name}.sketches": part.sketches}
        save_file(tensors, path, metadata=_form())

    @classmethod
    def load(cls, path: Path) -> TrainedOn:
        """Read sketches back. Raises `BundleError` if there are none, or of another form."""
        from safetensors import SafetensorError, safe_open

        if not path.is_file():
            raise BundleError(
                f"'{path}' is missing: this bundle does not say what it was trained on. Train it again with this "
                "Copydesk."
            )
        try:
            with safe_open(path, "numpy") as file:
                _require_form(path, file.metadata() or {})
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            parts = {name: _read(tensors[f"{name}.hashes"], tensors[f"{name}.sketches"]) for name in ORIGINS}
        except (SafetensorError, KeyError, ValueError) as error:
            raise BundleError(f"'{path}' does not hold the sketches of training texts: {error}.") from None
        return cls(parts)


@dataclass(frozen=True)
class Leak:
    """A text that the model saw: its place, and how similar the most similar text that was seen is.

    `origin` is the part in which that stood; a text that is in both counts as trained on.
    """

    place: int
    similarity: float
    exact: bool
    origin: Origin


@dataclass(frozen=True)
class Leaks:
    """Which of so many `texts` a model saw. `sketched`: the share of its texts whose near copies can be found."""

    texts: int
    found: list[Leak] = field(default_factory=list)
    sketched: float = 1.0

    @property
    def exact(self) -> list[int]:
        """The places of texts that were trained on, but for case and white space as they are."""
        return [leak.place for leak in self.found if leak.exact and leak.origin == "train"]

    @property
    def near(self) -> list[int]:
        """The places of texts of which a near copy was trained on."""
        return [leak.place for leak in self.found if not leak.exact and leak.origin == "train"]

    @property
    def tuned_on(self) -> list[int]:
        """The places of texts that were not trained on, but chosen by: they, or near copies, were validation texts."""
        return [leak.place for leak in self.found if leak.origin == "validation"]

    @property
    def share(self) -> float:
        """The share of the texts that were trained on, near copies included."""
        return (len(self.exact) + len(self.near)) / self.texts if self.texts else 0.0


def sketch(train: Sequence[str], validation: Sequence[str] = ()) -> TrainedOn:
    """Return the sketches of the texts that a model learns from, and of those that it is tuned on.

    Text columns are joined; case and white space do not count. The texts' order is not kept.
    """
    return TrainedOn({"train": _sketched(train), "validation": _sketched(validation)})


def find_leaks(known: TrainedOn | Path, texts: Sequence[str], *, near: float = NEAR) -> Leaks:
    """Return which texts a model saw, as they are or with an estimated Jaccard similarity of at least `near`.

    `known` are the sketches, or their file in the bundle (`Layout.training_texts`). Texts of fewer than two characters
    have no near copies. Raises `BundleError` if the file is missing or is not of this form.
    """
    trained_on = TrainedOn.load(known) if isinstance(known, Path) else known
    plain = [_plain(text) for text in texts]
    hashes, sketches, readable = _hashes(plain), *_sketches(plain)
    exact = {name: np.isin(hashes, part.hashes) for name, part in trained_on.parts.items()}
    similarity = {
        name: np.where(exact[name], 1.0, np.where(readable, _nearest(sketches, part.sketches), 0.0))
        for name, part in trained_on.parts.items()
    }
    found = []
    for place in range(len(texts)):
        for name in ORIGINS:
            if similarity[name][place] >= near:
                found.append(Leak(place, float(similarity[name][place]), bool(exact[name][place]), name))
                break
    return Leaks(len(texts), found, trained_on.sketched)


def _read(hashes: NDArray[Any], sketches: NDArray[Any]) -> Sketched:
    """Return a part as it was stored. Raises `ValueError` if it cannot have been."""
    kinds, shapes = (str(hashes.dtype), str(sketches.dtype)), (hashes.shape, sketches.shape)
    if kinds != ("uint64", "uint8") or hashes.ndim != 1 or sketches.shape[1:] != (_BYTES,):
        raise ValueError(f"tensors of {kinds[0]} {shapes[0]} and {kinds[1]} {shapes[1]}")
    return Sketched(hashes, sketches)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())  # the separator of columns is white space to Python


def _hashes(plain: Sequence[str]) -> Hashes:
    digests = b"".join(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest() for text in plain)
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def _sketched(texts: Sequence[str]) -> Sketched:
    plain = [_plain(text) for text in texts]
    hashes, first = np.unique(_hashes(plain), return_index=True)
    kept = [plain[place] for place in first[:MOST_SKETCHES].tolist()]  # the smallest hashes: a sample like any other
    return Sketched(hashes, _sketches(kept)[0])


def _sketches(plain: Sequence[str]) -> tuple[Bits, NDArray[np.bool_]]:
    """Return the sketches, shape (texts, 64), and which texts have any 4-grams."""
    sketches = np.zeros((len(plain), _BYTES), np.uint8)
    readable = np.zeros(len(plain), np.bool_)
    done = 0
    for chunk in chunked(plain):
        shingles, part = shingled(chunk), slice(done, done + len(chunk))
        sketches[part] = np.packbits(_minima(shingles) & np.uint32(1), axis=1)
        readable[part] = np.diff(shingles.starts) > 0
        done += len(chunk)
    return sketches, readable


def _minima(shingles: Shingles) -> NDArray[np.uint32]:
    from rensa import RMinHash

    starts = shingles.starts.astype(np.uint64)
    flat = array("I")
    for row in RMinHash.digest_matrix_from_flat_token_hashes(shingles.hashes, starts, _BITS, _SEED).to_rows():
        flat.fromlist(row)
    return np.frombuffer(flat, np.uint32).reshape(-1, _BITS)


def _nearest(asked: Bits, known: Bits) -> NDArray[np.float64]:
    """Return the estimated similarity of each sketch's most similar known one; 0 if there is none."""
    nearest = np.full(len(asked), _BITS // 2, np.uint16)
    asked_words, known_words = (np.ascontiguousarray(bits).view(np.uint64) for bits in (asked, known))
    for begin in range(0, len(asked), _BLOCK[0]):
        some = asked_words[begin : begin + _BLOCK[0]]
        for start in range(0, len(known), _BLOCK[1]):
            differing = _differing(some, known_words[start : start + _BLOCK[1]])
            best = nearest[begin : begin + _BLOCK[0]]
            np.minimum(best, differing.min(axis=1), out=best)
    return 1 - 2 * nearest.astype(np.float64) / _BITS


def _differing(asked: Hashes, known: Hashes) -> NDArray[np.uint16]:
    """Return how many bits differ between each two rows of words, shape (asked, known)."""
    differing = np.zeros((len(asked), len(known)), np.uint16)
    for word in range(asked.shape[1]):
        differing += np.bitwise_count(asked[:, word, None] ^ known[None, :, word])
    return differing


def _form() -> dict[str, str]:
    """Return what sketches must have in common to be compared."""
    from rensa import RMinHash

    return {"bits": str(_BITS), "characters": str(SHINGLE_CHARACTERS), "minhash": str(RMinHash.ALGORITHM_VERSION)}


def _require_form(path: Path, found: dict[str, str]) -> None:
    if found != _form():
        raise BundleError(
            f"'{path}' holds sketches of the form {json.dumps(found)}; this Copydesk compares {json.dumps(_form())}. "
            "Train the model again."
        )
