"""Doubts about texts as items of a review file: what is suspect, why, what is suggested, and what models say."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from copydesk.data.clean import CleanRow
from copydesk.data.label_kinds import LabelKind
from copydesk.data.review_file import Item
from copydesk.normalise import text_id
from copydesk.progress import Progress
from copydesk.recipe import Recipe
from copydesk.repair.opinions import Opinions
from copydesk.repair.questions import ABSENT, ANSWERED, PRESENT, UNKNOWN
from copydesk.types import Label

LABEL_ERROR, CONFLICT, LANGUAGE, OUTLIER, UNCERTAIN = "label error", "conflict", "language", "outlier", "uncertain"
_MOST_OUTLIERS, _MOST_UNCERTAIN = 100, 200
_SHOWN_ANSWERS = 10
_LEAST_SHOWN = 0.01
_SHOWN_ROWS = 5


@dataclass(frozen=True)
class Findings:
    """The Dataset's texts, labels and places, column by column, and what was found out about them."""

    recipe: Recipe
    kind: LabelKind[Any]
    texts: Sequence[str]
    labels: Sequence[Label]
    where: Sequence[str]
    opinions: Opinions

    def item(
        self, place: int, reason: str, suspicion: float, *, suggested: Label | None = None, where: str = ""
    ) -> Item:
        """Return an item about one text; without a suggestion that is the answers that are suspected."""
        label = self.labels[place]
        return Item(
            id=text_id(self.texts[place]),
            text=self.texts[place],
            label=self.kind.stored(label),
            suggested=None if suggested is None or suggested == label else self.kind.stored(suggested),
            reason=reason,
            suspicion=round(float(min(max(suspicion, 0.0), 1.0)), 4),
            model=self._model(place),
            where=where or self.where[place],
        )

    def disagree(self, one: int, other: int) -> bool:
        """Tell whether two texts' labels answer any question differently; other strengths of a signal do not count."""
        answers = ((opinion.question.given[one], opinion.question.given[other]) for opinion in self.opinions.of)
        return any(first != second and UNKNOWN not in (first, second) for first, second in answers)

    def _model(self, place: int) -> dict[str, float]:
        """Return the most probable answers of one text; of labels and categories, those that may be there."""
        shown: dict[str, float] = {}
        for opinion in self.opinions.of:
            question = opinion.question
            for number, answer in enumerate(question.answers):
                if not question.name or answer != ABSENT:
                    name = f"{question.name} {answer}".strip() if answer != PRESENT else question.name
                    shown[name] = round(float(opinion.probabilities[place, number]), 4)
        best = sorted(shown, key=lambda name: -shown[name])[:_SHOWN_ANSWERS]
        return {name: shown[name] for name in best if shown[name] >= _LEAST_SHOWN or name == best[0]}


def label_errors(findings: Findings) -> list[Item]:
    """Return the texts with a suspected answer, the most suspect first; a text's suspicion is its worst answer's."""
    answers: dict[int, dict[str, str]] = defaultdict(dict)
    suspicion: dict[int, float] = defaultdict(float)
    for opinion in findings.opinions.of:
        doubts, question = opinion.doubts, opinion.question
        for place in np.flatnonzero(doubts.suspected).tolist():
            answers[place][question.name] = question.answers[doubts.other[place]]
            suspicion[place] = max(suspicion[place], float(doubts.suspicion[place]))
    strengths = _usual_strengths(findings.labels)
    suggest = ANSWERED[findings.recipe.task]
    return [
        findings.item(
            place,
            LABEL_ERROR,
            suspicion[place],
            suggested=suggest(findings.labels[place], answers[place], strengths),
        )
        for place in sorted(answers, key=lambda place: (-suspicion[place], place))
    ]


def _usual_strengths(labels: Sequence[Label]) -> dict[str, float]:
    """Return each category's median strength where it has one (`signals`)."""
    found: dict[str, list[float]] = defaultdict(list)
    for label in labels:
        for signal in label:
            if not isinstance(signal, str) and signal.score:
                found[signal.category].append(abs(signal.score))
    return {category: float(np.median(strengths)) for category, strengths in found.items()}


def near_conflicts(findings: Findings) -> list[Item]:
    """Return near-copies under different labels, each with the other's label as the suggestion."""
    found: dict[int, tuple[float, int]] = {}
    for (one, other), similarity in findings.opinions.pairs.items():
        if similarity >= findings.recipe.prepare.near_threshold and findings.disagree(one, other):
            for place, twin in ((one, other), (other, one)):
                found.setdefault(place, (similarity, twin))
    return [
        findings.item(
            place,
            CONFLICT,
            similarity,
            suggested=findings.labels[twin],
            where=f"{findings.where[place]} ~ {findings.where[twin]}",
        )
        for place, (similarity, twin) in sorted(found.items(), key=lambda entry: (-entry[1][0], entry[0]))
    ]


def contested(rows: Sequence[CleanRow], kind: LabelKind[Any]) -> list[Item]:
    """Return the texts that stand under several labels as they are, case aside; the commonest label is the item's."""
    by_text: dict[str, list[CleanRow]] = defaultdict(list)
    for row in rows:
        by_text[row.text.casefold()].append(row)
    items = []
    for same in by_text.values():
        counts = Counter(row.label for row in same)
        if len(counts) < 2:
            continue
        (label, most), (runner_up, _) = counts.most_common(2)
        places = ", ".join(f"{row.where} ({kind.shown(row.label)})" for row in same[:_SHOWN_ROWS])
        items.append(
            Item(
                id=text_id(same[0].text),
                text=same[0].text,
                label=kind.stored(label),
                suggested=kind.stored(runner_up),
                reason=CONFLICT,
                suspicion=round(1 - most / len(same), 4),
                where=places + (", …" if len(same) > _SHOWN_ROWS else ""),
            )
        )
    return sorted(items, key=lambda item: -item.suspicion)


def uncertain(findings: Findings, progress: Progress) -> Iterator[Item]:
    """Yield the texts about which the models know least: those with most answers expected to be wrong."""
    expected = np.zeros(len(findings.texts))
    for opinion in findings.opinions.of:
        expected += 1 - opinion.probabilities.max(axis=1)
    for place in np.argsort(-expected, kind="stable")[:_MOST_UNCERTAIN].tolist():
        yield findings.item(place, UNCERTAIN, expected[place])


def outliers(findings: Findings, progress: Progress) -> Iterator[Item]:
    """Yield the texts that are far from all others: beyond Tukey's fence, at most 100."""
    lonely = findings.opinions.neighbours.loneliness()
    low, high = np.quantile(lonely, [0.25, 0.75])
    fence = high + 1.5 * (high - low)
    for place in np.argsort(-lonely, kind="stable")[:_MOST_OUTLIERS].tolist():
        if lonely[place] > fence:
            yield findings.item(place, OUTLIER, lonely[place])


def other_languages(findings: Findings, progress: Progress) -> Iterator[Item]:
    """Yield the texts in another language than most, the rarest language first."""
    from copydesk.languages import languages_of

    languages = languages_of(findings.texts)
    counts = Counter(language for language in languages if language)
    if not counts:
        return
    (main, most), total = counts.most_common(1)[0], counts.total()
    if 2 * most < total:
        progress.warn(f"No language has most texts ({main} has {most:,} of {total:,}): none is listed as another one.")
        return
    others = [place for place, language in enumerate(languages) if language not in ("", main)]
    for place in sorted(others, key=lambda place: (counts[languages[place]], place)):
        language = languages[place]
        yield findings.item(place, f"{LANGUAGE} {language}", 1 - counts[language] / total)


MORE: Mapping[str, Callable[[Findings, Progress], Iterator[Item]]] = {
    LANGUAGE: other_languages,
    OUTLIER: outliers,
    UNCERTAIN: uncertain,
}
"""What is looked for only if somebody asks."""
