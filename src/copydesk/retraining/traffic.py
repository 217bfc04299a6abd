"""Recent texts of a log: what a retrained model is made for, so drift is measured from them (`train.traffic`).

They stand beside the answers that they were retrained with, so that the same call, killed and made again, trains on.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl

from copydesk.files import replacing
from copydesk.monitor.entry import NOT_SHADOW
from copydesk.monitor.reference import LEAST_TEXTS, MOST_TEXTS
from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.recipe import Recipe
from copydesk.retraining.log import Logged


def traffic_beside(answers: Path, recipe: Recipe, logged: Logged, since: datetime) -> Path | None:
    """Return the file of the texts that were asked from `since` on, at most 5,000; None where too few were kept."""
    file = answers.with_suffix(".traffic.parquet")
    if file.exists():
        return file
    texts = recent_texts(logged.rows, recipe.name, since)
    if len(texts) < LEAST_TEXTS:
        return None
    rows = [text.split(COLUMN_SEPARATOR, len(recipe.text) - 1) for text in texts]
    columns = {name: [row[place] if place < len(row) else "" for row in rows] for place, name in enumerate(recipe.text)}
    with replacing(file) as temporary:
        pl.DataFrame(columns).write_parquet(temporary)
    return file


def recent_texts(rows: pl.LazyFrame, model: str, since: datetime) -> list[str]:
    """Return the texts that a model was asked from `since` on, at most 5,000 of them, drawn by their ids."""
    asked = rows.filter(pl.col("model") == model, NOT_SHADOW, pl.col("at") >= since, pl.col("text").is_not_null())
    drawn = asked.select("text", "id", draw=pl.col("id").hash()).bottom_k(MOST_TEXTS, by=["draw", "id"])
    return drawn.collect(engine="streaming").sort("draw", "id")["text"].to_list()
