"""What prepare makes of the rows: it is run, and its manifest read. Near-copies that are known are not sought again.

Of very many rows a sample goes in, the one among which near-copies were looked for.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from copydesk.data.dataset import PARTS, Dataset
from copydesk.data.prepare import prepare_table
from copydesk.data.resample import RESAMPLERS
from copydesk.data.sources import RawTable
from copydesk.describe.copies import Near, found_before
from copydesk.describe.facts import Outcome
from copydesk.describe.table import Table
from copydesk.errors import DataError
from copydesk.progress import Progress
from copydesk.recipe import Recipe

_COMPARED = "median_undersample"
"""What is shown beside `resample: none` where labels are several: it is cheap."""


def outcome_of(recipe: Recipe, raw: RawTable, table: Table, near: Near, progress: Progress) -> Outcome:
    """Run prepare and return what it says; why it would refuse the data is no error here."""
    frame = raw.frame if near.share == 1 else raw.frame[table.rows[near.chosen]]
    progress.say(f"preparing {frame.height:,} rows")
    try:
        dataset = prepare_table(recipe, RawTable(frame, raw.files), find=found_before(table, near))
    except DataError as error:
        return Outcome(frame.height, refused=str(error))
    return outcome_of_dataset(recipe, dataset)


def outcome_of_dataset(recipe: Recipe, dataset: Dataset) -> Outcome:
    """Return a Dataset's parts and what its manifest says of how they came about."""
    manifest, rows = dataset.manifest, Counter(dataset.frame["split"].to_list())
    parts = [part for part in PARTS if rows[part]]
    return Outcome(
        looked_at=manifest.get("rows_read", dataset.frame.height),
        rows={part: rows[part] for part in parts},
        counts={part: manifest.get("counts", {}).get(part, {}) for part in parts},
        dropped=manifest.get("dropped", {}),
        warnings=manifest.get("warnings", []),
        **_balance(recipe, dataset),
    )


def _balance(recipe: Recipe, dataset: Dataset) -> dict[str, Any]:
    """Return the training part before and after resampling: the recipe's, or one to compare with."""
    done = dataset.manifest.get("resampled")
    if done is not None:
        labels = done["labels"]
        return {
            "method": done["method"],
            "asked": True,
            "rows_before": done["rows"]["before"],
            "rows_after": done["rows"]["after"],
            "before": {name: counts["before"] for name, counts in labels.items()},
            "after": {name: counts["after"] for name, counts in labels.items()},
        }
    if recipe.task != "multi":
        return {}
    texts, labels = dataset.part("train")
    present = [dataset.kind.present(label) for label in labels]
    kept = RESAMPLERS[_COMPARED](texts, present, recipe.train.seed)
    return {
        "method": _COMPARED,
        "rows_before": len(texts),
        "rows_after": len(kept),
        "before": dict(Counter(name for names in present for name in names)),
        "after": dict(Counter(name for place in kept for name in present[place])),
    }
