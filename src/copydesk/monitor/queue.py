"""Which logged texts are most worth labelling: a pool drawn at random, and from it a queue with a reason for each text.

A text is worth it because the model was unsure, because it is unlike the texts of training, because a shadow answered
otherwise; and some are drawn at random, with a known probability, so that what people say of them tells how often the
model is right. Everything is chosen from the same pool of at most 20,000 texts, whatever the size of the log.

Pure but for reading the rows that it is given. It does not know which texts are labelled already or near-copies of each
other: it is told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
import polars as pl
from numpy.typing import NDArray

from copydesk.data.review_file import RANDOM
from copydesk.monitor.compare import Floats, discriminant
from copydesk.monitor.entry import NOT_SHADOW
from copydesk.monitor.reference import Reference
from copydesk.monitor.traits import traits_of

UNCERTAIN, DRIFTED, DISAGREED = "uncertain", "drifted", "disagreed"
POOL = 20_000
RANDOM_SHARE = 0.2
"""The share of a queue that is drawn at random."""
_TURNS = {DISAGREED: 1, UNCERTAIN: 3, DRIFTED: 1}
"""How many texts each reason gives in its turn: labels of uncertain texts teach most (docs/LOG.md)."""
_SHORTLIST = 3
"""So many times the queue's length is looked at for near-copies, for each reason."""
_HASHES = float(2**64)
_ANSWER = ("id", "at", "text", "labels", "scores", "tags", "confidence", "version", "source")


@dataclass(frozen=True)
class Pool:
    """Texts drawn at random, each once, in the order in which they were drawn.

    `frame` has a row per text with its latest answer, what a shadow answered there (`other_labels`, `other_tags`;
    null: no shadow looked), how many `requests` asked for it, and `draw`, a random number that is uniform from 0 to 1.
    Every text of the log with a draw of at most `reach` is in it.
    """

    frame: pl.DataFrame
    reach: float

    def without(self, left_out: Collection[int]) -> Pool:
        """Return the pool without the texts at some places."""
        kept = [place for place in range(self.frame.height) if place not in left_out]
        return Pool(self.frame[kept], self.reach)


@dataclass(frozen=True)
class Queued:
    """A text of the pool, by its place: why it is worth labelling and how much, 0 to 1.

    `weight` is how many of the log's answers it stands for, if it was drawn at random: the number of its requests by
    the probability with which it was drawn. 0: it was chosen, and stands for no other.
    """

    place: int
    reason: str
    suspicion: float
    weight: float = 0.0


def draw_pool(rows: pl.LazyFrame, labelled: Collection[str] = (), *, most: int = POOL, seed: int = 0) -> Pool:
    """Return about so many texts of a log at most, those that are labelled (by hash) left out.

    Two passes over the rows; what it holds at a time depends on `most` alone. Rows without a text are passed over.
    """
    known = pl.LazyFrame({"text_hash": [*labelled]}, schema={"text_hash": pl.String})
    rows = rows.join(known, on="text_hash", how="anti")
    rows = rows.with_columns(draw=(pl.col("text_hash").hash(seed).cast(pl.Float64) + 1) / _HASHES)
    asked = rows.filter(NOT_SHADOW, pl.col("text").is_not_null())
    texts = asked.select(pl.col("text_hash").approx_n_unique()).collect(engine="streaming").item()
    reach = min(1.0, most / max(texts, 1))
    within = pl.col("draw") <= reach
    shadows = rows.filter(within, ~NOT_SHADOW)
    others = shadows.select("id", other_labels="labels", other_tags="tags").unique("id", keep="last")
    found = asked.filter(within).select("text_hash", "draw", *_ANSWER).join(others, on="id", how="left").sort("at")
    last = pl.struct(pl.all().exclude("text_hash")).last().alias("answer")
    frame = found.group_by("text_hash").agg(last, requests=pl.len()).collect(engine="streaming")
    return Pool(frame.unnest("answer").sort("draw", "text_hash"), reach)


def queue_of(
    pool: Pool,
    novelty: Floats | None,
    groups: Sequence[int] | None = None,
    *,
    limit: int = 200,
    random_share: float = RANDOM_SHARE,
) -> list[Queued]:
    """Return the texts most worth labelling, each reason in its turn, so that any beginning of the queue is a mixture.

    `novelty` says of each text how unlike those of training it is (None: nothing is known of those); `groups` names the
    group of near-copies that it is of, of which one alone is chosen (texts drawn at random are what they are). The
    random share is the first draws: stopping anywhere leaves a fair sample.
    """
    drawn = _drawn(pool, min(round(limit * random_share), pool.frame.height))
    taken = {queued.place for queued in drawn}
    seen = {groups[place] for place in taken} if groups is not None else set()
    chosen: list[Queued] = []
    for queued in _in_turn(rankings(pool, novelty, limit)):
        if len(chosen) + len(drawn) >= limit:
            break
        group = groups[queued.place] if groups is not None else None
        if queued.place in taken or group in seen:
            continue
        taken.add(queued.place)
        if group is not None:
            seen.add(group)
        chosen.append(queued)
    return _mixed(chosen, drawn)


def rankings(pool: Pool, novelty: Floats | None, limit: int) -> list[list[Queued]]:
    """Return for each reason the texts that have it, the worthiest first, a few times more than a queue takes."""
    frame = pool.frame
    doubt = 1 - frame["confidence"].fill_null(1.0).to_numpy()
    differs = pl.col("other_labels").is_not_null() & (
        (pl.col("other_labels") != pl.col("labels")) | (pl.col("other_tags") != pl.col("tags"))
    )
    disagreed = np.flatnonzero(frame.select(differs.fill_null(value=False)).to_series().to_numpy())
    everywhere, most = np.arange(frame.height), _SHORTLIST * limit
    found = [_ranked(DISAGREED, disagreed, doubt, most), _ranked(UNCERTAIN, everywhere, doubt, most)]
    if novelty is not None:
        newest = np.argsort(np.argsort(novelty, kind="stable"), kind="stable") / max(len(novelty) - 1, 1)
        found.append(_ranked(DRIFTED, everywhere, newest, most))
    return found


def novelty_of(texts: Sequence[str], reference: Reference) -> Floats:
    """Return how unlike the texts of training each text is, shape (n,): the higher, the newer.

    It is the score of the classifier that tells all these texts from the reference's (`Topics`), and the share of
    unknown words, each in standard deviations.
    """
    traits = traits_of(texts, reference.vocabulary)
    direction = discriminant(reference.window.vectors, traits.vectors)
    return (_standard(traits.vectors @ direction) + _standard(traits.number("unknown_words"))).astype(np.float32)


def _standard(values: NDArray[np.floating]) -> NDArray[np.float64]:
    centred: NDArray[np.float64] = (values - values.mean()).astype(np.float64)
    return centred / (float(values.std()) or 1.0)


def _drawn(pool: Pool, count: int) -> list[Queued]:
    """Return the first draws. Given the next one, each was drawn with the probability of being before it."""
    draws, requests = pool.frame["draw"].to_list(), pool.frame["requests"].to_list()
    probability = draws[count] if count < len(draws) else pool.reach
    return [Queued(place, RANDOM, 0.0, requests[place] / probability) for place in range(count)]


def _ranked(reason: str, places: NDArray[np.int64], worth: NDArray[np.floating], most: int) -> list[Queued]:
    best = places[np.argsort(-worth[places], kind="stable")[:most]]
    return [Queued(int(place), reason, round(float(worth[place]), 4)) for place in best]


def _in_turn(lists: Sequence[Sequence[Queued]]) -> Iterator[Queued]:
    waiting = [iter(ranked) for ranked in lists if ranked]
    turns = [_TURNS[ranked[0].reason] for ranked in lists if ranked]
    while any(given := [list(islice(some, turn)) for some, turn in zip(waiting, turns, strict=True)]):
        yield from chain.from_iterable(given)


def _mixed(chosen: Sequence[Queued], drawn: Sequence[Queued]) -> list[Queued]:
    """Return both, each in its own order, evenly mixed."""
    places = [*((place + 0.5) / len(chosen) for place in range(len(chosen)))]
    others = [*((place + 0.5) / len(drawn) for place in range(len(drawn)))]
    order = sorted([*zip(places, chosen, strict=True), *zip(others, drawn, strict=True)], key=lambda pair: pair[0])
    return [queued for _, queued in order]
