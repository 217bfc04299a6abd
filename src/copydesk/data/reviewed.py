"""What people decided about texts, applied to the rows: labels replaced, texts left out, and all of it counted.

A decision is about a text, wherever it stands and whatever its case: it finds it by the id of the normalised text. It
does not know why the text was looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from copydesk.data.clean import Account, CleanRow
from copydesk.data.label_kinds import LabelKind, listed
from copydesk.data.review_file import Item, Review, read_review
from copydesk.errors import DataError
from copydesk.files import sha256_of
from copydesk.normalise import text_id
from copydesk.recipe import Recipe
from copydesk.types import Label, Signal


@dataclass(frozen=True)
class Decided:
    """A text's decision: its label from now on (None: the text is left out), and the file and line that say so."""

    id: str
    label: Label | None
    item: Item
    file: str
    line: int

    @property
    def decision(self) -> str:
        """What was decided."""
        return str(self.item.decision)

    @property
    def where(self) -> str:
        """The file and the line that holds the item."""
        return f"'{self.file}' line {self.line}"


def read_decisions(paths: Iterable[str], recipe: Recipe, kind: LabelKind[Any]) -> list[Decided]:
    """Return what review files decide.

    Raises `DataError` for a file made for another task or other categories, and for two decisions that contradict
    each other.
    """
    decisions: list[Decided] = []
    for path in paths:
        review = read_review(Path(path))
        _require_fit(path, review, recipe)
        for line, item in zip(_item_lines(Path(path)), review.items, strict=False):
            if item.is_decided:
                name = item.id.partition("-")[0]  # a Dataset numbers rows that repeat a text
                decisions.append(Decided(name, _outcome(item, recipe, kind), item, path, line))
    _by_id(decisions)
    return decisions


def apply_decisions(rows: list[CleanRow], recipe: Recipe, kind: LabelKind[Any], account: Account) -> list[CleanRow]:
    """Return the rows with the decided labels, without dropped texts. Raises `DataError` for unknown labels."""
    if not recipe.prepare.reviewed:
        return rows
    decisions = read_decisions(recipe.prepare.reviewed, recipe, kind)
    found = _found(rows, _by_id(decisions))
    by_text = dict(found)
    _require_known_labels(rows, by_text.values(), recipe, kind)
    kept, changed, dropped = [], 0, 0
    for row in rows:
        decided = by_text.get(row.text.casefold())
        if decided is None:
            kept.append(row)
        elif decided.label is None:
            account.dropped.add("dropped in review", row.where)
            dropped += 1
        else:
            changed += decided.label != row.label
            kept.append(replace(row, label=decided.label))
    there = {decided.id for _, decided in found}
    files = [_facts(path, [one for one in decisions if one.file == path], there) for path in recipe.prepare.reviewed]
    account.facts["reviewed"] = {"files": files, "labels_changed": changed, "rows_dropped": dropped}
    account.progress.say(
        f"{len(by_text):,} reviewed texts: {changed:,} rows get another label, {dropped:,} are dropped"
    )
    for entry in files:
        if entry["not_in_the_data"]:
            account.warn(
                f"{entry['not_in_the_data']:,} of {sum(entry['decisions'].values()):,} decisions in '{entry['file']}' "
                "are about texts that the data does not have, or not with these normalisation steps."
            )
    return kept


def unapplied(recipe: Recipe, manifest: Mapping[str, Any]) -> list[str]:
    """Return the recipe's review files that a prepared Dataset knows nothing of, as they are now."""
    applied = {entry["sha256"] for entry in manifest.get("reviewed", {}).get("files", [])}
    return [path for path in recipe.prepare.reviewed if not applied or sha256_of(Path(path)) not in applied]


def _facts(path: str, decisions: Sequence[Decided], there: Container[str]) -> dict[str, Any]:
    return {
        "file": path,
        "sha256": sha256_of(Path(path)),
        "decisions": dict(Counter(decided.decision for decided in decisions)),
        "not_in_the_data": sum(decided.id not in there for decided in decisions),
    }


def _by_id(decisions: Iterable[Decided]) -> dict[str, Decided]:
    by_id: dict[str, Decided] = {}
    for decided in decisions:
        _agree(by_id.setdefault(decided.id, decided), decided)
    return by_id


def _found(rows: Iterable[CleanRow], decisions: Mapping[str, Decided]) -> list[tuple[str, Decided]]:
    """Return the texts that were decided about, in one case, each with its decisions."""
    found = [
        (row.text.casefold(), decided) for row in rows if (decided := decisions.get(text_id(row.text))) is not None
    ]
    first: dict[str, Decided] = {}
    for text, decided in found:
        _agree(first.setdefault(text, decided), decided)
    return found


def _agree(one: Decided, other: Decided) -> None:
    if one.label != other.label:
        raise DataError(
            f"{one.where} ({one.decision}) and {other.where} ({other.decision}) contradict each other: the same text, "
            'but another outcome. Set one of the two decisions to "skip".'
        )


def _outcome(item: Item, recipe: Recipe, kind: LabelKind[Any]) -> Label | None:
    """Return the label after the decision as a training text has it; None: left out."""
    outcome = item.outcome
    if outcome is None or isinstance(outcome, str):
        return outcome
    label = kind.restored([_whole(entry) for entry in outcome])
    if recipe.unlisted == "absent":
        listed_there = set(kind.known(label))
        label = (*label, *(Signal(name, 0.0) for name in recipe.categories if name not in listed_there))
    return tuple(sorted(label)) or None


def _whole(entry: Any) -> Any:  # noqa: ANN401 (a label's name, or a signal as JSON holds it)
    if not isinstance(entry, dict):
        return entry
    return {"category": entry["category"], "score": float(entry["score"]), "tag": entry.get("tag") or ""}


def _require_fit(path: str, review: Review, recipe: Recipe) -> None:
    header = review.header
    if header.task != recipe.task:
        raise DataError(
            f"Review file '{path}' is about task {header.task!r}, but the recipe's task is {recipe.task!r}."
        )
    if {name: list(tags) for name, tags in header.categories.items()} != recipe.categories:
        raise DataError(f"Review file '{path}' is about other categories than the recipe's. Review again.")


def _require_known_labels(
    rows: Sequence[CleanRow], decisions: Iterable[Decided], recipe: Recipe, kind: LabelKind[Any]
) -> None:
    """Raise `DataError` naming the decision whose label no row has: a review of other data."""
    known = set(recipe.categories) or {name for row in rows for name in kind.known(row.label)}
    for decided in decisions:
        unknown = [name for name in kind.known(decided.label) if name not in known] if decided.label else []
        if unknown:
            raise DataError(
                f"{decided.where} decides for {unknown[0]!r}, a label that the data does not have: "
                f"{listed(sorted(known), 20)}. Was the review made for other data?"
            )


def _item_lines(path: Path) -> list[int]:
    """Return the numbers of the lines that hold items, in order; later lines may hold decisions."""
    lines = path.read_text("utf-8").split("\n")
    return [number for number, line in enumerate(lines, start=1) if line.strip()][1:]
