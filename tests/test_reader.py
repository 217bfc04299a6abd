"""The reader gives what transformers' own tokenizers give, without transformers."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from copydesk.errors import BundleError
from copydesk.models.encoder import EncoderModel
from copydesk.models.reader import LongTexts, Marks, Reader, Reading
from copydesk.models.weights import find_encoder
from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.recipe import DEFAULT_ENCODER
from fakes import COMMON, MONEY, SPORT

ODD = [
    "",
    " ",
    "[SEP] [CLS]",
    "İstanbul naïve 日本語",
    "👩‍👩‍👧",
    "\x00\x01",
    "goal " * 3_000,
    "x" * 5_000,
    "مرحبا\u200f",
]


def _texts() -> list[str]:
    rng = random.Random(3)
    words = [*SPORT, *COMMON, *MONEY, "Unbelievable", "$1.776B", "naïve"]
    plain = [" ".join(rng.choices(words, k=rng.randrange(1, 60))) for _ in range(60)]
    return [*ODD, *plain, *(f"{text}{COLUMN_SEPARATOR}{other}" for text, other in zip(plain, ODD * 6, strict=False))]


@pytest.fixture(scope="module")
def folder() -> Path:
    return find_encoder(DEFAULT_ENCODER).folder


@pytest.mark.parametrize("long_texts", ["head", "windows"])
def test_ids_are_those_of_the_transformers_tokenizer(folder: Path, long_texts: LongTexts) -> None:
    model = EncoderModel.pretrained(folder, outputs=2, reading=Reading(24, long_texts))
    for text in _texts():
        first, _, second = text.partition(COLUMN_SEPARATOR)
        paired, windows = COLUMN_SEPARATOR in text, long_texts == "windows"
        if windows and paired:
            continue  # there the first column is shortened beforehand; tests/test_tokens.py shows how
        more = {"return_overflowing_tokens": True, "stride": 6} if windows else {}
        expected = model.tokenizer(
            [first],
            [second] if paired else None,
            truncation=True,
            max_length=24,
            split_special_tokens=True,
            **more,
        )
        ids, segments = expected["input_ids"], expected["token_type_ids"]
        found = model.encode([text])
        rows = [found.ids[a:b].tolist() for a, b in zip(found.starts[:-1], found.starts[1:], strict=True)]
        assert rows == ids[:32]
        if paired:
            assert found.segments is not None and found.segments.tolist() == segments[0]


def test_a_saved_reader_needs_nothing_but_its_files(folder: Path, tmp_path: Path) -> None:
    model = EncoderModel.pretrained(folder, outputs=2, reading=Reading(24, "head_tail"))
    model.save(tmp_path)
    loaded, texts = Reader.load(tmp_path), _texts()
    assert loaded.reading == model.reader.reading and loaded.marks == model.reader.marks
    assert (loaded.encode(texts).ids == model.encode(texts).ids).all()


def test_a_lone_surrogate_is_read_as_the_replacement_character(folder: Path) -> None:
    reader = EncoderModel.pretrained(folder, outputs=2, reading=Reading(24)).reader
    assert (
        reader.encode(["goal \ud83d bank", "x"]).ids == reader.encode(["goal \ufffd\ufffd\ufffd bank", "x"]).ids
    ).all()


def test_an_empty_text_is_one_row_also_without_special_tokens() -> None:
    from tokenizers import Tokenizer, models

    reader = Reader(Tokenizer(models.WordLevel({"goal": 1}, unk_token="goal")), Reading(8), Marks(0, segments=True))
    tokens = reader.encode(["", "goal"])
    assert tokens.lengths.tolist() == [1, 1] and tokens.ids.tolist() == [0, 1]


def test_what_an_older_copydesk_wrote_is_refused_by_name(folder: Path, tmp_path: Path) -> None:
    EncoderModel.pretrained(folder, outputs=2, reading=Reading(24)).save(tmp_path)
    (tmp_path / "encoder.json").write_text('{"max_tokens": 24, "long_texts": "head"}')
    with pytest.raises(BundleError, match="encoder.json' lacks 'padding'"):
        Reader.load(tmp_path)
