"""Scoring on this machine: reading, the model and writing at the same time."""

from __future__ import annotations

from collections.abc import Iterator

from copydesk.data.stream import Batch
from copydesk.progress import Advance
from copydesk.remote.store import Store
from copydesk.score.inputs import Forward, Input
from copydesk.score.parts import PartWriter, Rows
from copydesk.score.scorer import Scored, Scorer
from copydesk.score.threads import ahead, behind


def score_rows(found: Input, gaps: list[Rows], scorer: Scorer, store: Store, advance: Advance) -> None:
    """Score the rows of these gaps into parts. Interrupted, it keeps what was scored."""
    with PartWriter(store, scorer.schema) as parts:

        def save(piece: tuple[int, Scored]) -> None:
            parts.write(*piece)

        with behind(save) as write, ahead(_batches(found, gaps)) as batches:
            for start, batch in batches:
                for place, piece in scorer.pieces(batch):
                    write((start + place, scorer(piece)))
                    advance(piece.table.num_rows)


def _batches(found: Input, gaps: list[Rows]) -> Iterator[tuple[int, Batch]]:
    forward = Forward(found)
    for gap in gaps:
        yield from forward.take(gap.start, gap.stop)
