"""Facts as one HTML page that stands alone, in the look of the report's page.

What the page says about each number is in `templates/describe.html`; here the numbers are put in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from copydesk.describe.facts import Drift, Facts, LanguageFacts, Pair, Sign, TimeFacts, Vocabulary, Word
from copydesk.describe.plots import growth_svg, length_svg, ranks_svg
from copydesk.languages import UNSURE, language_name
from copydesk.rendering import rendered, shown_text

_TABLE_LABELS = 20
_WORD_LABELS = 12
_SIGN_LABELS = 8
_RANKED = 13
"""From so many labels on their ranks are a plot."""
_LEAST_LANGUAGE = 0.005
"""Languages of a smaller share stand in one row: among so few most are mistakes."""
_LEAST_TEXTS = 20
_CONTEXT_WORDS = 7
_PIECES = 12


@dataclass(frozen=True)
class _LabelRow:
    """One label: its texts and their share, median words, texts per part, and training texts after resampling."""

    label: str
    texts: int
    share: float
    words: float
    parts: list[int]
    after: int | None


@dataclass(frozen=True)
class _Bar:
    """A word with its bars' lengths, 0 to 1."""

    word: Word
    here: float
    elsewhere: float


@dataclass(frozen=True)
class _Trend:
    """A label over time: its share in the oldest and newest fifth, and the points of a small curve (0 to 100)."""

    drift: Drift
    points: str


@dataclass(frozen=True)
class _Language:
    """A language, or all that are rare, with some texts and how the encoder's vocabulary fits it."""

    name: str
    texts: int
    share: float
    examples: list[str]
    vocabulary: Vocabulary | None


@dataclass(frozen=True)
class _Alike:
    """Two similar texts in pieces; a piece is words and whether the other text lacks them."""

    pair: Pair
    first: list[tuple[str, bool]]
    second: list[tuple[str, bool]]


def render_description(facts: Facts) -> str:
    """Return the page's HTML; the same facts always give the same text. Raises `MissingExtra`."""
    rows = _label_rows(facts)
    tokens = facts.lengths.tokens
    return rendered(
        "describe.html",
        facts=facts,
        rows=rows[:_TABLE_LABELS],
        more_rows=rows[_TABLE_LABELS:],
        parts=list(facts.outcome.rows) if facts.outcome else [],
        ranks=_ranks(facts),
        measures=[facts.lengths.characters, facts.lengths.words, *([tokens.length] if tokens else [])],
        lengths=[
            length_svg(facts.lengths.characters),
            length_svg(facts.lengths.words),
            *([length_svg(tokens.length, limit=tokens.limit)] if tokens else []),
        ],
        growth=growth_svg(facts.time) if facts.time else "",
        trends=_trends(facts.time) if facts.time else [],
        words=_word_bars(facts),
        more_words=_WORD_LABELS,
        signs=_sign_rows(facts),
        sign_labels=_sign_labels(facts),
        alike=[_alike(pair) for pair in facts.copies.near.examples],
        languages=_languages(facts.languages, tokens.vocabulary if tokens else {}),
    )


def _label_rows(facts: Facts) -> list[_LabelRow]:
    labels, outcome = facts.labels, facts.outcome
    if labels is None:
        return []
    parts = outcome.counts.values() if outcome else []
    after = outcome.after if outcome else {}
    return [
        _LabelRow(
            name,
            count,
            count / max(labels.labelled, 1),
            labels.words[name],
            [counts.get(name, 0) for counts in parts],
            after.get(name, 0) if after else None,
        )
        for name, count in labels.counts.items()
    ]


def _ranks(facts: Facts) -> str:
    outcome = facts.outcome
    counts = list(facts.labels.counts.values()) if facts.labels else []
    if outcome is not None and outcome.before:
        return ranks_svg(list(outcome.before.values()), list(outcome.after.values()))
    return ranks_svg(counts, []) if len(counts) >= _RANKED else ""


def _trends(time: TimeFacts) -> list[_Trend]:
    """Return the labels whose share moved most, each with a curve of its share in every period."""
    return [_Trend(drift, _curve(time.by_label[drift.label], time.counts)) for drift in time.drift]


def _curve(counts: Sequence[int], totals: Sequence[int]) -> str:
    shares = [count / total if total else 0.0 for count, total in zip(counts, totals, strict=True)]
    top = max(shares) or 1.0
    step = 100 / max(len(shares) - 1, 1)
    return " ".join(f"{place * step:.1f},{30 - 28 * share / top:.1f}" for place, share in enumerate(shares))


def _word_bars(facts: Facts) -> dict[str, list[_Bar]]:
    found = facts.words.by_label if facts.words else {}
    bars = {}
    for label, words in found.items():
        top = max((max(word.here, word.elsewhere) for word in words), default=1.0) or 1.0
        if words:
            bars[label] = [_Bar(word, word.here / top, word.elsewhere / top) for word in words]
    return bars


def _sign_labels(facts: Facts) -> list[str]:
    """Return the labels that have a column in the table of signs; none if there are too many to compare."""
    names = list(facts.labels.counts) if facts.labels else []
    return names if len(names) <= _SIGN_LABELS else []


def _sign_rows(facts: Facts) -> list[tuple[Sign, str, float]]:
    """Return the signs, those that part the labels most first, each with the label that has most of it."""
    counts = facts.labels.counts if facts.labels else {}
    known = [name for name, count in counts.items() if count >= _LEAST_TEXTS]
    rows = []
    for sign in facts.signs:
        shares = {name: sign.by_label[name] for name in known}
        top = max(known, key=lambda name: shares[name], default="")
        rows.append((_spread(shares), sign, top, shares.get(top, sign.share)))
    return [(sign, top, share) for _, sign, top, share in sorted(rows, key=lambda row: (-row[0], -row[1].share))]


def _spread(shares: Mapping[str, float]) -> float:
    return max(shares.values()) - min(shares.values()) if shares else 0.0


def _languages(languages: LanguageFacts, vocabulary: Mapping[str, Vocabulary]) -> list[_Language]:
    """Return the languages, the commonest first, and those that are rare as the last row."""

    def row(name: str, codes: Sequence[str]) -> _Language:
        texts = sum(languages.counts[code] for code in codes)
        examples = [text for code in codes for text in languages.examples.get(code, [])[: 3 if len(codes) == 1 else 1]]
        fit = vocabulary.get(codes[0]) if len(codes) == 1 else None
        return _Language(name, texts, texts / languages.looked_at, examples[:6], fit)

    least = _LEAST_LANGUAGE * languages.looked_at
    rare = [code for code, count in languages.counts.items() if count < least and code != UNSURE]
    rows = [
        row(language_name(code) if code != UNSURE else "unsure", [code])
        for code in languages.counts
        if code not in rare
    ]
    return [*rows, row(f"{len(rare)} others" if len(rare) > 1 else language_name(rare[0]), rare)] if rare else rows


def _alike(pair: Pair) -> _Alike:
    """Mark what only one of two similar texts has, with a few words around."""
    one, other = (" ".join(text.replace("\x1f", " · ").split()).split() for text in (pair.first, pair.second))
    first: list[tuple[str, bool]] = []
    second: list[tuple[str, bool]] = []
    for tag, from_, to, start, stop in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        for pieces, words in ((first, one[from_:to]), (second, other[start:stop])):
            if words:
                pieces.append((_shortened(words), tag != "equal"))
    return _Alike(pair, first[:_PIECES], second[:_PIECES])


def _shortened(words: Sequence[str]) -> str:
    if len(words) <= 2 * _CONTEXT_WORDS + 1:
        return shown_text(" ".join(words))
    return shown_text(" ".join([*words[:_CONTEXT_WORDS], "…", *words[-_CONTEXT_WORDS:]]))
