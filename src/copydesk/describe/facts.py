"""What a description of data holds, as values. Nothing is computed here, and no text is whole: examples are a few.

Counts are of all rows unless a part says how many texts it looked at: then of those, chosen by chance.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Level = Literal["stop", "do", "look"]
"""`stop`: nothing can be trained like this; `do`: something to set or repair; `look`: something to know."""


@dataclass(frozen=True)
class Finding:
    """One thing to know, in words with its numbers, and what to do about it."""

    level: Level
    what: str
    remedy: str = ""


@dataclass(frozen=True)
class Column:
    """A column of the data: its type, how many values are missing or blank, and what it is used for."""

    name: str
    type: str
    missing: int
    blank: int
    used_as: str = ""


@dataclass(frozen=True)
class RowFacts:
    """How many rows there are, and how many of them for each reason cannot be used, with places of some."""

    read: int
    with_text: int
    left_out: dict[str, int]
    examples: dict[str, list[str]]
    columns: list[Column]
    sources: list[dict[str, str]]


@dataclass(frozen=True)
class Together:
    """How often labels stand on one text: `counts[i][j]` texts have both i and j, `counts[i][i]` have i."""

    labels: list[str]
    counts: list[list[int]]


@dataclass(frozen=True)
class Strength:
    """A category's scores in six steps, from strongly bad to strongly good, and its tags ("" is none)."""

    scores: list[int]
    tags: dict[str, int]


@dataclass(frozen=True)
class LabelFacts:
    """Texts per label, the commonest first; how many texts have how many labels; the median words of each label."""

    labelled: int
    unlabelled: int
    counts: dict[str, int]
    per_text: dict[int, int]
    words: dict[str, float]
    together: Together | None = None
    strength: dict[str, Strength] = field(default_factory=dict)


@dataclass(frozen=True)
class Measure:
    """A length of texts: quantiles, and a histogram whose last bin holds all that is longer too."""

    unit: str
    texts: int
    mean: float
    quantiles: dict[str, float]
    edges: list[float]
    counts: list[int]


@dataclass(frozen=True)
class Vocabulary:
    """How an encoder's vocabulary fits some texts: tokens per word (special ones aside), and the share it lacks."""

    texts: int
    per_word: float
    unknown: float


@dataclass(frozen=True)
class TokenFacts:
    """How the recipe's encoder would read the texts.

    `beyond` is the share of texts longer than `limit`, `lost` the share of all tokens behind the limit; `fits` the
    share of texts that each limit would hold whole; `vocabulary` is by language.
    """

    encoder: str
    limit: int
    most: int
    long_texts: str
    length: Measure
    beyond: float
    lost: float
    fits: dict[int, float]
    vocabulary: dict[str, Vocabulary]


@dataclass(frozen=True)
class LengthFacts:
    """Lengths in characters and words of every text, and in tokens of some; `no_tokens` says why there are none."""

    characters: Measure
    words: Measure
    tokens: TokenFacts | None
    no_tokens: str = ""


@dataclass(frozen=True)
class Repeated:
    """A text that occurs several times, and its labels with their numbers of rows."""

    text: str
    rows: int
    labels: dict[str, int]


@dataclass(frozen=True)
class Pair:
    """Two texts that are alike, with their similarity, labels and parts."""

    first: str
    second: str
    similarity: float
    labels: tuple[str, str]
    parts: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class NearFacts:
    """Near-copies among some texts: how many have one, in how many pairs, and how many pairs differ in label.

    `across` counts pairs whose texts stand in different given parts. `expected_pairs` is for all texts: a pair is
    seen only if both were chosen.
    """

    looked_at: int
    threshold: float
    texts: int
    pairs: int
    expected_pairs: int
    other_label: int
    across: int
    examples: list[Pair]


@dataclass(frozen=True)
class CopyFacts:
    """Texts that occur more than once (case aside): rows beyond the first, and texts under several labels."""

    distinct: int
    copies: int
    conflicts: int
    conflict_rows: int
    most_repeated: list[Repeated]
    conflicting: list[Repeated]
    across: int
    near: NearFacts


@dataclass(frozen=True)
class LanguageFacts:
    """Texts by language (ISO 639-1), the commonest first, and examples of each that is not the first; "" is unsure."""

    looked_at: int
    counts: dict[str, int]
    examples: dict[str, list[str]]


@dataclass(frozen=True)
class Drift:
    """A label's share of the texts in the oldest and the newest fifth; `sure` if chance alone hardly does that."""

    label: str
    oldest: float
    newest: float
    sure: bool


@dataclass(frozen=True)
class TimeFacts:
    """Texts over time: `starts` are the periods' first days; the rows without a readable time are `unreadable`."""

    column: str
    unreadable: int
    first: str
    last: str
    period: str
    starts: list[str]
    counts: list[int]
    by_label: dict[str, list[int]]
    drift: list[Drift]


@dataclass(frozen=True)
class Word:
    """A word, its share of the label's texts and of the others, and how far that is beyond chance (a z-score)."""

    word: str
    here: float
    elsewhere: float
    z: float


@dataclass(frozen=True)
class WordFacts:
    """The words most typical of each label, among some texts."""

    looked_at: int
    by_label: dict[str, list[Word]]


@dataclass(frozen=True)
class Sign:
    """Something on a text's surface that needs no reading: its share of all texts and of each label's."""

    name: str
    share: float
    by_label: dict[str, float]


@dataclass(frozen=True)
class Outcome:
    """What prepare makes of the rows: parts, what it leaves out, and the balance before and after resampling.

    `looked_at` rows went in. `refused` says why prepare would stop, and then there is no more. `method` is the recipe's
    resampling, or one that is shown for comparison (`asked` tells); `after` are training texts per label behind it.
    """

    looked_at: int
    refused: str = ""
    rows: dict[str, int] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    method: str = ""
    asked: bool = False
    rows_before: int = 0
    rows_after: int = 0
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """Everything that was found; a part that does not apply is None or empty."""

    name: str
    task: str
    text: list[str]
    label: str
    rows: RowFacts
    lengths: LengthFacts
    copies: CopyFacts
    languages: LanguageFacts
    labels: LabelFacts | None = None
    time: TimeFacts | None = None
    words: WordFacts | None = None
    signs: list[Sign] = field(default_factory=list)
    outcome: Outcome | None = None
    findings: list[Finding] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)
