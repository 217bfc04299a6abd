"""The recipe's `serve` section."""

from __future__ import annotations

from pydantic import Field

from copydesk.recipe.base import Section


class Shadow(Section):
    """A candidate that answers a share of the traffic beside the served version, to nobody but the metrics."""

    model: str | None = Field(None, description="A bundle folder, or another name of a model.")
    share: float = Field(0.1, gt=0, le=1)


class Serve(Section):
    """Limits of the API, and a candidate to try in its shadow."""

    max_text_chars: int = Field(20_000, gt=0, description="Characters of one text, all its columns together.")
    max_batch_texts: int = Field(256, gt=0, description="Texts of one request.")
    queue_texts: int = Field(2_048, gt=0, description="Texts that may wait; what comes beyond them is refused.")
    queue_seconds: float = Field(
        0.25, gt=0, description="Seconds that a request may wait for its turn; what would wait longer is refused."
    )
    max_body_mb: int = Field(8, gt=0, description="Megabytes of one request's body.")
    max_job_body_mb: int = Field(64, gt=0, description="Megabytes of one job's body.")
    shadow: Shadow = Shadow()
