"""The recipe's `serve` section."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from copydesk.recipe.base import Section


class Shadow(Section):
    """A candidate that answers a share of the traffic beside the served version, to nobody but the metrics."""

    model: str | None = Field(None, description="A bundle folder, or another name of a model.")
    share: float = Field(0.1, gt=0, le=1, description="The share of requests that it answers too.")


class Logged(Section):
    """What the prediction log keeps of an answer, where the server has one (`copydesk serve --log`)."""

    text: Literal["none", "masked", "full"] = Field(
        "none", description="masked: without e-mail addresses, phone numbers and other long numbers."
    )
    keep_days: int = Field(30, gt=0, description="Days after which rows are dropped.")
    every_seconds: float = Field(10.0, gt=0, description="Seconds between two writes.")
    measured_per_second: float = Field(
        100.0, ge=0, description="Texts that are measured for drift at most, in each process; a random sample beyond."
    )


class Serve(Section):
    """Limits of the API, what its answers leave in a log, and a candidate to try in its shadow."""

    max_text_chars: int = Field(20_000, gt=0, description="Characters of one text, all its columns together.")
    max_batch_texts: int = Field(256, gt=0, description="Texts of one request.")
    queue_texts: int = Field(2_048, gt=0, description="Texts that may wait; what comes beyond them is refused.")
    queue_seconds: float = Field(
        0.25, gt=0, description="Seconds that a request may wait for its turn; what would wait longer is refused."
    )
    max_body_mb: int = Field(8, gt=0, description="Megabytes of one request's body.")
    max_job_body_mb: int = Field(64, gt=0, description="Megabytes of one job's body.")
    log: Logged = Logged()
    shadow: Shadow = Shadow()
