"""What a search found as one HTML page that stands alone, in the look of the report's page."""

from __future__ import annotations

from copydesk.rendering import rendered
from copydesk.tuning.findings import Tuning, plain, rank, told
from copydesk.tuning.plots import history_svg, importance_svg, parallel_svg

SHOWN = 60
"""Up to so many trials are in the table, the best first."""


def render_tuning(tuning: Tuning) -> str:
    """Return the page's HTML; the same findings always give the same text. Raises `MissingExtra`."""
    states = [attempt.state for attempt in tuning.attempts]
    ranked = rank(tuning.attempts)
    return rendered(
        "tuning.html",
        tuning=tuning,
        best=tuning.attempt(tuning.best),
        first=tuning.attempt(0),
        gain=(tuning.attempt(tuning.best).quality or 0) - (tuning.attempt(0).quality or 0),
        counts={state: states.count(state) for state in dict.fromkeys(states)},
        seconds=sum(attempt.seconds for attempt in tuning.attempts),
        ranked=ranked[:SHOWN],
        more=len(ranked) - SHOWN,
        history=history_svg(tuning),
        parallel=parallel_svg(tuning) if states.count("complete") > 1 else "",
        importance=importance_svg(tuning) if tuning.importance else "",
        plain=plain,
        metric=tuning.metric.replace("_", " "),
        told=told,
    )
