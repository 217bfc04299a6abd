"""Rows to parts as the recipe says, and what must hold between the parts.

No near-copy of an earlier part's text stays in a later one, and no label is asked for that training does not have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from copydesk.data.clean import Account, CleanRow
from copydesk.data.copies import NearRows
from copydesk.data.dataset import PARTS, Part
from copydesk.data.label_kinds import LabelKind, listed
from copydesk.data.resample import RESAMPLERS
from copydesk.data.split import SPLITS, split_by_time
from copydesk.errors import DataError
from copydesk.recipe import Recipe

_RANK = {part: number for number, part in enumerate(PARTS)}


@dataclass(frozen=True, slots=True)
class PartedRow:
    """A row and the part it goes to."""

    row: CleanRow
    part: Part


def parted_rows(
    rows: list[CleanRow], near: NearRows, recipe: Recipe, kind: LabelKind[Any], account: Account
) -> list[PartedRow]:
    """Return the rows with their parts; some of a later part may be dropped. Raises `DataError` for an empty part."""
    if recipe.prepare.split.by == "time":
        parts = split_by_time([row.moment for row in rows if row.moment is not None], shares_of(recipe))
        parted = _without_leaks([PartedRow(*pair) for pair in zip(rows, parts, strict=True)], near.pairs, account)
        parted = _without_unseen_labels(parted, kind, account)
    else:
        parts = SPLITS[recipe.task](
            [row.text for row in rows],
            [kind.present(row.label) for row in rows],
            [near.groups[row.position] for row in rows],
            shares=shares_of(recipe),
            seed=recipe.train.seed,
        )
        parted = [PartedRow(*pair) for pair in zip(rows, parts, strict=True)]
    require_parts(parted, near, recipe)
    account.warn(*gaps_between(parted, kind, recipe))
    return parted


def shares_of(recipe: Recipe) -> dict[Part, float]:
    """Return the wanted share of rows by part; they sum to 1."""
    split = recipe.prepare.split
    return {"train": 1 - split.validation - split.test, "validation": split.validation, "test": split.test}


def _without_leaks(parted: list[PartedRow], pairs: Sequence[tuple[int, int]], account: Account) -> list[PartedRow]:
    """Drop rows of a later part that are near-copies of a row that stays in an earlier part."""
    parts = {item.row.position: item.part for item in parted}
    across = [
        sorted(pair, key=lambda row: _RANK[parts[row]])
        for pair in pairs
        if all(row in parts for row in pair) and parts[pair[0]] != parts[pair[1]]
    ]
    gone: set[int] = set()
    for earlier, later in sorted(across, key=lambda pair: (_RANK[parts[pair[1]]], pair)):
        if earlier not in gone:
            gone.add(later)
    for item in parted:
        if item.row.position in gone:
            account.dropped.add("near-copy of an earlier part's text", item.row.where)
    return [item for item in parted if item.row.position not in gone]


def _without_unseen_labels(parted: list[PartedRow], kind: LabelKind[Any], account: Account) -> list[PartedRow]:
    """Take labels of which training knows nothing out of the later parts."""
    seen = {name for item in parted if item.part == "train" for name in kind.known(item.row.label)}
    unseen = Counter(
        name for item in parted if item.part != "train" for name in kind.known(item.row.label) if name not in seen
    )
    if not unseen:
        return parted
    if len(seen) == 1:
        raise DataError(
            f"All training rows have the label {next(iter(seen))!r}; {listed(sorted(unseen))} came up later. "
            "Split by group, or lower prepare.split.validation and prepare.split.test."
        )
    kept = []
    for item in parted:
        label = kind.without(item.row.label, unseen)
        if label is None:
            account.dropped.add("only labels without training rows", item.row.where)
        else:
            kept.append(replace(item, row=replace(item.row, label=label)))
    account.facts["unseen_labels"] = dict(sorted(unseen.items()))
    account.warn(
        f"{len(unseen)} labels have no training row, for they came up later; they are taken out of validation and "
        f"test: {listed(sorted(unseen))}."
    )
    return kept


def require_parts(parted: list[PartedRow], near: NearRows, recipe: Recipe) -> None:
    """Raise `DataError` if a part that is wanted has no row."""
    counts = Counter(item.part for item in parted)
    groups = len({near.groups[item.row.position] for item in parted})
    grouped = f" in {groups:,} groups of similar texts" if groups < len(parted) else ""
    for part in PARTS:
        share = shares_of(recipe)[part]
        if share > 0 and not counts[part]:
            raise DataError(
                f"{len(parted):,} rows{grouped} are too few: the {part} part (share {share:g}) would be empty. Add "
                f"rows, raise prepare.split.{part}, or leave rare labels out (prepare.min_support, task 'multi')."
            )


def gaps_between(parted: list[PartedRow], kind: LabelKind[Any], recipe: Recipe) -> list[str]:
    """Return a line for each part that should have rows of all labels, and has not."""
    names = {
        part: {name for item in parted if item.part == part for name in kind.present(item.row.label)} for part in PARTS
    }
    every = sorted(set().union(*names.values()))
    lines = []
    for part, consequence in _CONSEQUENCES.items():
        missing = [name for name in every if name not in names[part]]
        if missing and shares_of(recipe)[part] > 0:
            lines.append(
                f"The {part} part has no row of {len(missing)} of {len(every)} labels ({listed(missing)}): "
                f"{consequence}."
            )
    return lines


_CONSEQUENCES: dict[Part, str] = {
    "train": "the model cannot learn them",
    "validation": "nothing can be tuned for them",
    "test": "their quality stays unknown",
}


def resampled_rows(parted: list[PartedRow], recipe: Recipe, kind: LabelKind[Any], account: Account) -> list[PartedRow]:
    """Leave texts of the training part out, as the recipe says, and record what that changes."""
    method = recipe.prepare.resample
    if method == "none":
        return parted
    train = [item.row for item in parted if item.part == "train"]
    account.progress.say(f"resampling {len(train):,} training rows ({method})")
    places = RESAMPLERS[method](
        [row.text for row in train], [kind.present(row.label) for row in train], recipe.train.seed
    )
    stay = {train[place].position for place in places}
    kept = [item for item in parted if item.part != "train" or item.row.position in stay]
    for row in train:
        if row.position not in stay:
            account.dropped.add(f"resampled away ({method})", row.where)
    before = Counter(name for row in train for name in kind.present(row.label))
    after = Counter(name for item in kept if item.part == "train" for name in kind.present(item.row.label))
    account.facts["resampled"] = {
        "method": method,
        "seed": recipe.train.seed,
        "rows": {"before": len(train), "after": len(stay)},
        "labels": {name: {"before": before[name], "after": after[name]} for name in sorted(before)},
    }
    return kept
