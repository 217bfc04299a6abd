"""Scoring on this machine: reading, the model and writing at the same time."""

from __future__ import annotations

from collections.abc import Iterator

from copydesk.data.stream import Batch
from copydesk.progress import Advance
from copydesk.score.inputs import Input
from copydesk.score.parts import PartWriter, Rows
from copydesk.score.scorer import Scored, Scorer
from copydesk.score.store import Store
from copydesk.score.threads import ahead, behind


def score_rows(found: Input, gaps: list[Rows], scorer: Scorer, store: Store, advance: Advance) -> None:
    """Score the rows of these gaps into parts. Interrupted, it keeps what was scored."""
    with (
        PartWriter(store, scorer.schema) as parts,
        behind(lambda piece: parts.write(*piece)) as write,
        ahead(batches_in(found, gaps)) as batches,
    ):
        for start, batch in batches:
            scored: Scored = scorer(batch)
            write((start, scored))
            advance(batch.table.num_rows)


def batches_in(found: Input, gaps: list[Rows]) -> Iterator[tuple[int, Batch]]:
    """Yield the batches that lie in these gaps, cut at their ends, each with the number of its first row."""
    for gap in gaps:
        at = gap.start
        for batch in found.batches(gap.start):
            batch = batch.part(0, min(batch.table.num_rows, gap.stop - at))
            yield at, batch
            at += batch.table.num_rows
            if at >= gap.stop:
                break
