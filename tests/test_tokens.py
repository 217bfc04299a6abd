from pathlib import Path

import numpy as np
import pytest

from copydesk.models.encoder import EncoderModel
from copydesk.models.reader import LongTexts, Reading
from copydesk.models.token_cache import encode_cached
from copydesk.models.tokens import join_rows
from copydesk.normalise import COLUMN_SEPARATOR
from fakes import COMMON, MONEY, SPORT

LONG = " ".join([*SPORT, *COMMON, *MONEY])  # 30 words, a token each


def _model(folder: Path, long_texts: LongTexts = "head", max_tokens: int = 12) -> EncoderModel:
    return EncoderModel.pretrained(folder, outputs=2, reading=Reading(max_tokens, long_texts))


def _words(model: EncoderModel, text: str) -> list[list[str]]:
    tokens = model.encode([text])
    return [model.reader.tokens_of(row) for row in np.split(tokens.ids, tokens.starts[1:-1])]


def test_rows_are_padded_to_the_longest_with_a_mask() -> None:
    tokens = join_rows([[1, 2, 3], [4], [5, 6]], None, [0, 1, 2], 3)
    batch = tokens.padded([1, 0], padding=9)
    assert batch["input_ids"].tolist() == [[4, 9, 9], [1, 2, 3]]
    assert batch["attention_mask"].tolist() == [[1, 0, 0], [1, 1, 1]]
    assert "token_type_ids" not in batch


def test_rows_of_one_length_need_no_mask() -> None:
    assert set(join_rows([[1, 2], [3, 4]], [[0, 0], [0, 1]], [0, 1], 2).padded([0, 1], 0)) == {
        "input_ids",
        "token_type_ids",
    }


def test_a_texts_output_is_the_mean_of_its_rows() -> None:
    tokens = join_rows([[1], [2], [3]], None, [0, 0, 1], 2)
    assert tokens.by_text(np.array([[1.0], [3.0], [7.0]], np.float32)).tolist() == [[2.0], [7.0]]


def test_the_first_texts_keep_all_their_rows() -> None:
    tokens = join_rows([[1], [2, 2], [3]], None, [0, 0, 1], 2).first_texts(1)
    assert tokens.ids.tolist() == [1, 2, 2] and tokens.texts == 1


def test_by_default_the_beginning_is_read(tiny_encoder: Path) -> None:
    (row,) = _words(_model(tiny_encoder), LONG)
    assert row == ["[CLS]", *SPORT, *COMMON[:2], "[SEP]"]


def test_head_and_tail_leave_the_middle_out(tiny_encoder: Path) -> None:
    (row,) = _words(_model(tiny_encoder, "head_tail"), LONG)
    assert row == ["[CLS]", *SPORT[:2], *MONEY, "[SEP]"]


def test_windows_overlap_and_cover_the_whole_text(tiny_encoder: Path) -> None:
    rows = _words(_model(tiny_encoder, "windows"), LONG)
    assert len(rows) > 2 and all(len(row) <= 12 for row in rows)
    assert {*SPORT, *COMMON, *MONEY} <= {word for row in rows for word in row}
    assert rows[1][1] in rows[0]


@pytest.mark.parametrize("way", ["head_tail", "windows"])
def test_of_two_columns_the_second_is_the_long_one(tiny_encoder: Path, way: LongTexts) -> None:
    rows = _words(_model(tiny_encoder, way), COLUMN_SEPARATOR.join([" ".join(SPORT), LONG]))
    assert all(row[:5] == ["[CLS]", *SPORT[:3], "[SEP]"] and len(row) <= 12 for row in rows)
    assert rows[-1][-2] == MONEY[-1]


@pytest.mark.parametrize("way", ["head", "head_tail", "windows"])
def test_a_short_text_is_read_as_it_is(tiny_encoder: Path, way: LongTexts) -> None:
    assert _words(_model(tiny_encoder, way), "goal match") == [["[CLS]", "goal", "match", "[SEP]"]]


@pytest.mark.parametrize("way", ["head_tail", "windows"])
def test_an_endless_text_is_bounded(tiny_encoder: Path, way: LongTexts) -> None:
    model = _model(tiny_encoder, way)
    tokens = model.encode(["goal " * 200_000, "bank"])
    assert len(tokens) <= 33 and tokens.texts == 2
    assert model.logits(["goal " * 200_000, "bank"]).shape == (2, 2)


def test_the_way_of_reading_is_part_of_the_saved_model(tiny_encoder: Path, tmp_path: Path) -> None:
    model = _model(tiny_encoder, "windows")
    model.save(tmp_path)
    assert EncoderModel.load(tmp_path).reader.reading == Reading(12, "windows")


def test_tokens_are_kept_and_read_back_the_same(tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = _model(tiny_encoder)
    texts = [f"goal {COLUMN_SEPARATOR} bank {number}" for number in range(2_500)]
    first = encode_cached(model, tiny_encoder, texts)
    monkeypatch.delattr(EncoderModel, "encode")  # from now on only the cache can answer
    second = encode_cached(model, tiny_encoder, texts)
    assert (first.ids == second.ids).all() and (first.starts == second.starts).all()
    assert first.segments is not None and second.segments is not None and (first.segments == second.segments).all()
    assert (first.padded([5, 7], 0)["input_ids"] == second.padded([5, 7], 0)["input_ids"]).all()


def test_a_damaged_cache_is_made_anew(tiny_encoder: Path, tmp_path: Path) -> None:
    model = _model(tiny_encoder)
    texts = ["goal bank"] * 2_500
    first = encode_cached(model, tiny_encoder, texts)
    for file in (tmp_path / "cache" / "tokens").iterdir():
        file.write_bytes(b"not Arrow")
    assert (encode_cached(model, tiny_encoder, texts).ids == first.ids).all()


def test_other_texts_or_another_reading_are_other_tokens(tiny_encoder: Path) -> None:
    texts = [LONG] * 2_500
    short = encode_cached(_model(tiny_encoder, max_tokens=12), tiny_encoder, texts)
    long = encode_cached(_model(tiny_encoder, max_tokens=16), tiny_encoder, texts)
    assert short.lengths.max() == 12 and long.lengths.max() == 16
