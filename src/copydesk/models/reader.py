"""Texts to token ids, as an encoder reads them: with the `tokenizers` library alone, for training and for serving.

What is read of a text that is too long is decided here, and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from copydesk.errors import BundleError
from copydesk.files import write_json
from copydesk.models.tokens import Tokens, join_rows
from copydesk.normalise import COLUMN_SEPARATOR

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

SETTINGS_FILE = "encoder.json"
TOKENIZER_FILE = "tokenizer.json"
LongTexts = Literal["head", "head_tail", "windows"]
_CHARACTERS_PER_TOKEN = 100
"""Text beyond this many characters per allowed token is not tokenised: no token is that long in practice."""
_TEXTS_AT_ONCE = 2_000
_HEAD_SHARE = 0.25
"""Of a long text a quarter is read from its beginning, the rest from its end (Sun et al. 2019)."""
_OVERLAP = 0.25
_MOST_WINDOWS = 32


@dataclass(frozen=True)
class Reading:
    """How much of a text the encoder reads at once, and what it does with a longer one."""

    max_tokens: int
    long_texts: LongTexts = "head"


@dataclass(frozen=True)
class Marks:
    """What an encoder is given beside the tokens: the id that fills short rows, and whether it takes segment ids."""

    padding: int
    segments: bool


class Reader:
    """A tokenizer, and how it reads texts."""

    def __init__(self, tokenizer: Tokenizer, reading: Reading, marks: Marks) -> None:
        self.reading = reading
        self.marks = marks
        self._tokenizer = tokenizer

    @classmethod
    def load(cls, folder: Path) -> Reader:
        """Read a tokenizer and what `save` wrote beside it. Raises `BundleError` if that was an older Copydesk."""
        from tokenizers import Tokenizer

        settings = json.loads((folder / SETTINGS_FILE).read_text("utf-8"))
        try:
            reading, marks = ({field.name: settings[field.name] for field in fields(kind)} for kind in (Reading, Marks))
        except KeyError as missing:
            raise BundleError(
                f"'{folder / SETTINGS_FILE}' lacks {missing}: an older Copydesk wrote it. Train the model again."
            ) from None
        reader = cls(Tokenizer.from_file(str(folder / TOKENIZER_FILE)), Reading(**reading), Marks(**marks))
        if reader.reading.long_texts == "head":  # needs no other; a copy would double the time to start
            reader._cutting = reader._set_to_cut(_plain(reader._tokenizer))
        return reader

    def save(self, folder: Path) -> None:
        """Write everything but the tokenizer itself."""
        write_json(folder / SETTINGS_FILE, {**asdict(self.reading), **asdict(self.marks)})

    def tokens_of(self, ids: Sequence[int]) -> list[str]:
        """Return the tokens behind the ids, "" for an id that there is not."""
        return [self._tokenizer.id_to_token(int(token)) or "" for token in ids]

    def reach(self, text: str) -> list[tuple[int, int]]:
        """Return the stretches of a text that are read of it.

        Where only beginnings are read, one for each of the two segments; else the whole text, of which the middle may
        be left out.
        """
        if self.reading.long_texts != "head":
            return [(0, len(text))]
        first, separator, rest = _encodable(text).partition(COLUMN_SEPARATOR)
        first, rest = self._fitted([first, rest.replace(COLUMN_SEPARATOR, " ")], self.reading.max_tokens)
        row = self._cutting.encode(first, rest) if separator else self._cutting.encode(first)
        ends = [0, 0]
        for segment, (_, stop) in zip(row.sequence_ids, row.offsets, strict=True):
            if segment is not None:
                ends[segment] = max(ends[segment], stop)
        begin = text.find(COLUMN_SEPARATOR) + 1
        return [(0, ends[0]), *([(begin, begin + ends[1])] if separator else [])]

    def encode(self, texts: Sequence[str]) -> Tokens:
        """Return the texts' token ids (and segment ids, where there are any).

        The first text column is the first segment, the others, joined by spaces, are the second. Special tokens that
        a user writes, such as `[SEP]`, are read as plain text. A text beyond `max_tokens` is cut after its beginning
        (`head`), in its middle (`head_tail`), or has several overlapping rows (`windows`, at most 32).
        """
        ids: list[list[int]] = []
        segments: list[list[int]] = []
        owner: list[int] = []
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            chunk = [_encodable(text) for text in texts[start : start + _TEXTS_AT_ONCE]]
            rows: list[list[Encoding]] = [[] for _ in chunk]
            for paired in (False, True):
                places = [place for place, text in enumerate(chunk) if (COLUMN_SEPARATOR in text) == paired]
                for place, found in zip(places, self._alike([chunk[place] for place in places], paired), strict=True):
                    rows[place] = found
            for place, of_text in enumerate(rows):
                for row in of_text:
                    ids.append(row.ids or [self.marks.padding])  # without special tokens "" would be nothing at all
                    if self.marks.segments:
                        segments.append(row.type_ids or [0])
                    owner.append(start + place)
        return join_rows(ids, segments if self.marks.segments else None, owner, len(texts))

    def _alike(self, texts: list[str], paired: bool) -> Iterator[list[Encoding]]:
        """Yield each text's rows, for texts that all have one column or all have several."""
        limit = self.reading.max_tokens
        columns = [text.split(COLUMN_SEPARATOR) for text in texts]
        first = [parts[0] for parts in columns]
        second = [" ".join(parts[1:]) for parts in columns]
        special = self._tokenizer.num_special_tokens_to_add(paired)
        if not paired:
            first = self._fitted(first, limit - special)
        elif self.reading.long_texts == "head":
            first, second = self._fitted(first, limit), self._fitted(second, limit)
        else:  # the first column keeps at most a quarter, so that the second has a known place
            first = self._shortened(first, limit // 4, 1.0)
            second = self._fitted(second, limit - limit // 4 - special)
        if not paired:
            encoded = self._cutting.encode_batch_fast(first)
        else:
            encoded = self._cutting_second.encode_batch_fast(list(zip(first, second, strict=True)))
        windows = self.reading.long_texts == "windows"
        for row in encoded:
            yield [row, *row.overflowing[: _MOST_WINDOWS - 1]] if windows else [row]

    def _fitted(self, texts: list[str], tokens: int) -> list[str]:
        """Return texts of a length that can be tokenised; with `head_tail`, of so many tokens."""
        if self.reading.long_texts == "head_tail":
            return self._shortened(texts, tokens, _HEAD_SHARE)
        most = self.reading.max_tokens * _CHARACTERS_PER_TOKEN
        return [text[: most * (_MOST_WINDOWS if self.reading.long_texts == "windows" else 1)] for text in texts]

    def _shortened(self, texts: list[str], tokens: int, head_share: float) -> list[str]:
        """Return texts of at most so many tokens, cut out of the middle: `head_share` of them from the beginning."""
        most = tokens * _CHARACTERS_PER_TOKEN
        texts = [text if len(text) <= 2 * most else f"{text[:most]} {text[-most:]}" for text in texts]
        found = [row.offsets for row in self._whole.encode_batch(texts, add_special_tokens=False)]
        head = int(tokens * head_share)
        tail = tokens - head
        return [
            text
            if len(offsets) <= tokens
            else (text[: offsets[head - 1][1]] if head else "")
            + (" " + text[offsets[len(offsets) - tail][0] :] if tail else "")
            for text, offsets in zip(texts, found, strict=True)
        ]

    @cached_property
    def _whole(self) -> Tokenizer:
        """The tokenizer that cuts nothing."""
        return _copy(self._tokenizer)

    @cached_property
    def _cutting(self) -> Tokenizer:
        """The tokenizer that cuts one column, or the longer of two."""
        return self._set_to_cut(_copy(self._tokenizer))

    @cached_property
    def _cutting_second(self) -> Tokenizer:
        """The tokenizer that cuts two columns; with windows they go over the second alone."""
        if self.reading.long_texts != "windows":
            return self._cutting
        return self._set_to_cut(_copy(self._tokenizer), "only_second")

    def _set_to_cut(self, tokenizer: Tokenizer, strategy: str = "longest_first") -> Tokenizer:
        stride = int(self.reading.max_tokens * _OVERLAP) if self.reading.long_texts == "windows" else 0
        tokenizer.enable_truncation(self.reading.max_tokens, stride=stride, strategy=strategy)
        return tokenizer


def _copy(tokenizer: Tokenizer) -> Tokenizer:
    from tokenizers import Tokenizer

    return _plain(Tokenizer.from_str(tokenizer.to_str()))


def _plain(tokenizer: Tokenizer) -> Tokenizer:
    """Return the tokenizer, which from now on neither cuts nor pads and reads special tokens in texts as text."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    return tokenizer


def _encodable(text: str) -> str:
    """Return the text with lone surrogates, which no tokenizer takes, as the replacement character."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return text
