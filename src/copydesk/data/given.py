"""Given splits: rows whose part the data itself names, by its file or in a column.

Such rows keep their part, and rows given as validation or test stay as they were published: what is done to them
would change what others' figures were measured on. What leaks between parts is reported, or taken out of the earlier
part: of the training side. Only what no part is given for is divided here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from copydesk.data.clean import Account, CleanRow, require_columns
from copydesk.data.copies import NearRows
from copydesk.data.dataset import PARTS, Part
from copydesk.data.label_kinds import LabelKind
from copydesk.data.parts import PartedRow, gaps_between, require_parts, shares_of
from copydesk.data.sources import RawTable
from copydesk.data.split import SPLITS
from copydesk.errors import DataError
from copydesk.recipe import Recipe

_SYNONYMS: dict[str, Part] = {"train": "train", "training": "train", "test": "test"}
_SYNONYMS |= dict.fromkeys(("validation", "valid", "val", "dev"), "validation")
_SHOWN_LEAKS = 3


@dataclass(frozen=True)
class Given:
    """The part of each raw row, by its position; None where none is given. Empty: no split is given at all."""

    parts: Sequence[Part | None] = ()

    def of(self, row: CleanRow) -> Part | None:
        """Return the part that is given for a row."""
        return self.parts[row.position] if self.parts else None

    def is_held_out(self, row: CleanRow) -> bool:
        """Tell whether a row is of a given validation or test part, which stays as it is."""
        return self.of(row) in ("validation", "test")


def given_parts(raw: RawTable, recipe: Recipe) -> Given:
    """Return the parts that sources name, or the column `prepare.split.column`. Raises `DataError` naming the row."""
    column = recipe.prepare.split.column
    if column is None:
        return Given(raw.frame["_part"].to_list() if "_part" in raw.frame.columns else ())
    require_columns(raw.frame, [column])
    parts: list[Part | None] = []
    for value, source, row in raw.frame.select(column, "_source", "_row").iter_rows():
        name = "" if value is None else str(value).strip().lower()
        if name and name not in _SYNONYMS:
            raise DataError(
                f"{source}:{row}: prepare.split.column {column!r} has {value!r}. Expected train, validation (or val, "
                "dev, valid) or test, or nothing where the row may go to any part."
            )
        parts.append(_SYNONYMS.get(name))
    if not any(parts):
        raise DataError(f"prepare.split.column {column!r} names no part on any row. Correct it, or leave it out.")
    return Given(parts)


def parted_as_given(
    rows: list[CleanRow], near: NearRows, given: Given, recipe: Recipe, kind: LabelKind[Any], account: Account
) -> list[PartedRow]:
    """Return the rows with their parts, given ones first of all. Raises `DataError` for a part without rows."""
    parts = {row.position: given.of(row) for row in rows}
    _require_given(set(given.parts), set(parts.values()), account)
    missing = [part for part in PARTS if part not in parts.values() and shares_of(recipe)[part] > 0]
    loose = [row for row in rows if parts[row.position] is None]
    pool = loose or (_divisible(rows, near, given) if missing else [])
    wanted = _wanted(missing, recipe, from_train=not loose)
    parts |= {row.position: part for row, part in zip(pool, _dealt(pool, near, recipe, kind, wanted), strict=True)}
    if pool and not loose:
        account.progress.say(f"the given split has no {' and no '.join(missing)} part: taken from the training part")
    parted = [PartedRow(row, part) for row in rows if (part := parts[row.position]) is not None]
    parted = _without_leaks(parted, near, {row.position for row in loose}, recipe, account)
    require_parts(parted, near, recipe)
    account.warn(*gaps_between(parted, kind, recipe))
    return parted


def _require_given(named: set[Part | None], left: set[Part | None], account: Account) -> None:
    """Raise `DataError` if a given part has no usable row, or nothing is left to train on."""
    for part in PARTS:
        if part in named and part not in left:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in account.dropped.counts.items())
            raise DataError(
                f"None of the rows given as the {part} part can be used. Of all rows were dropped: {reasons}."
            )
    if not left & {"train", None}:
        raise DataError(
            "The given split has no training rows. Add a source with `part: train`, or rows without a part."
        )


def _divisible(rows: Sequence[CleanRow], near: NearRows, given: Given) -> list[CleanRow]:
    """Return the training rows that another part can be divided off: those that resemble no text of a given one."""
    taken = {near.groups[row.position] for row in rows if given.is_held_out(row)}
    return [row for row in rows if given.of(row) == "train" and near.groups[row.position] not in taken]


def _wanted(missing: list[Part], recipe: Recipe, *, from_train: bool) -> dict[Part, float]:
    """Return the parts to deal rows to, and their shares, which sum to 1.

    Rows without a part go to the parts that are missing, or to the training part if none is; the training part gives
    each missing part its share of itself.
    """
    shares = {part: shares_of(recipe)[part] for part in missing}
    if from_train or "train" in missing:
        shares["train"] = 1 - sum(share for part, share in shares.items() if part != "train")
    total = sum(shares.values())
    return {part: shares[part] / total for part in PARTS if part in shares} or {"train": 1.0}


def _dealt(
    rows: Sequence[CleanRow], near: NearRows, recipe: Recipe, kind: LabelKind[Any], wanted: dict[Part, float]
) -> list[Part]:
    """Return each row's part: stratified, and similar rows in one part."""
    targets = list(wanted)
    slots: list[Part] = ["train", "validation", "test"]  # the splits give the first what is left over by rounding
    shares = {slot: wanted[targets[place]] if place < len(targets) else 0.0 for place, slot in enumerate(slots)}
    dealt = SPLITS[recipe.task](
        [row.text for row in rows],
        [kind.present(row.label) for row in rows],
        [near.groups[row.position] for row in rows],
        shares=shares,
        seed=recipe.train.seed,
    )
    return [targets[slots.index(slot)] for slot in dealt]


def _without_leaks(
    parted: list[PartedRow], near: NearRows, loose: set[int], recipe: Recipe, account: Account
) -> list[PartedRow]:
    """Report texts that stand in two parts, or nearly, and drop the earlier part's if the recipe says so.

    A row without a given part never stays where it resembles another part's text: that part was chosen here.
    """
    across = _pairs_across(parted, near)
    gone = {
        item.row.position: "similar to a text of a given part"
        for pair in across
        for item in pair
        if item.row.position in loose
    }
    leaks = [pair for pair in across if not any(item.row.position in gone for item in pair)]
    _report(leaks, recipe.prepare.split.leaks, account)
    if recipe.prepare.split.leaks == "drop":
        gone |= {earlier.row.position: f"leaks into the {later.part} part" for earlier, later in leaks}
    for item in parted:
        if item.row.position in gone:
            account.dropped.add(gone[item.row.position], item.row.where)
    return [item for item in parted if item.row.position not in gone]


def _pairs_across(parted: list[PartedRow], near: NearRows) -> list[tuple[PartedRow, PartedRow]]:
    """Return the pairs of similar rows in different parts, the earlier part's first.

    Of equal texts only one is compared with all others; what it resembles, the others resemble too.
    """
    by_text: dict[str, list[PartedRow]] = defaultdict(list)
    for item in parted:
        by_text[item.row.text.casefold()].append(item)
    texts = {item.row.position: item.row.text.casefold() for item in parted}
    similar = {(texts[first], texts[second]) for first, second in near.pairs if first in texts and second in texts}
    similar |= {(text, text) for text, items in by_text.items() if len(items) > 1}
    found = {
        (earlier.row.position, later.row.position): (earlier, later)
        for pair in similar
        for one, other in (pair, pair[::-1])
        for earlier in by_text[one]
        for later in by_text[other]
        if PARTS.index(earlier.part) < PARTS.index(later.part)
    }
    return [found[places] for places in sorted(found)]


def _report(leaks: Sequence[tuple[PartedRow, PartedRow]], policy: str, account: Account) -> None:
    """Warn of the leaks between each two parts, and record them."""
    between: dict[tuple[Part, Part], list[tuple[PartedRow, PartedRow]]] = defaultdict(list)
    for earlier, later in leaks:
        between[earlier.part, later.part].append((earlier, later))
    facts = []
    for (source, target), pairs in between.items():
        equal = {later.row.position for earlier, later in pairs if _same(earlier, later)}
        similar = {later.row.position for _, later in pairs} - equal
        first = sorted(pairs, key=lambda pair: not _same(*pair))[:_SHOWN_LEAKS]
        examples = [f"{earlier.row.where} ~ {later.row.where}" for earlier, later in first]
        rows = len({earlier.row.position for earlier, _ in pairs})
        facts.append(
            {"from": source, "to": target, "equal": len(equal), "similar": len(similar), "rows": rows}
            | {"examples": examples}
        )
        remedy = "they are left out" if policy == "drop" else "prepare.split.leaks: drop leaves them out"
        account.warn(
            f"The given split leaks: {len(equal):,} {target} texts stand in the {source} part too, {len(similar):,} "
            f"more nearly so, e.g. {', '.join(examples)}. That is {rows:,} {source} rows; {remedy}."
        )
    account.facts["leaks"] = facts


def _same(earlier: PartedRow, later: PartedRow) -> bool:
    return earlier.row.text.casefold() == later.row.text.casefold()
