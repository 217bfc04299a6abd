"""When an alarm should begin and end, so that none comes and goes: rules compared on resampled real texts.

    python bench/monitor_alarms.py --data FOLDER [--windows 60] [--size 500]

FOLDER holds clickbait/headlines.parquet and tweet_sentiment/train.parquet. A linear model learns 8,000 headlines; 3,000
others and their answers are the reference. Then windows come of which a share are tweets: none, few enough to be in
doubt, many. A rule "n of m" begins an alarm when n of the last m windows speak for it and ends it when none does
(monitor/memory.py, which is what is run here). Shown are, of all detectors: how often alarms begin in a hundred windows
(one a detector that stays is right where there is drift, more are flapping, any are false where there is none), and
after how many windows the first began.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from copydesk.models.linear import LinearModel
from copydesk.monitor.alarms import Finding, drift_findings
from copydesk.monitor.detectors import Window
from copydesk.monitor.drift import Drift
from copydesk.monitor.entry import Entry, table_of
from copydesk.monitor.memory import Judgement, Memory, settled, voted
from copydesk.monitor.promise import promise_of
from copydesk.monitor.reference import Answers, Reference, reference_of
from copydesk.monitor.summary import window_of
from copydesk.recipe import Monitor
from copydesk.tasks import make_task

TASK = make_task("single", ["clickbait", "news"])
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SHARES = (0.0, 0.05, 0.1, 0.125, 0.15, 0.2, 0.3)
RULES = ((1, 1), (2, 2), (2, 3), (2, 5), (3, 5))


def main() -> None:
    """Train, draw windows, run every rule, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the data sets")
    parser.add_argument("--windows", type=int, default=60)
    parser.add_argument("--size", type=int, default=500)
    options = parser.parse_args()
    headlines = pl.read_parquet(options.data / "clickbait" / "headlines.parquet").sample(
        fraction=1, shuffle=True, seed=1
    )
    tweets = pl.read_parquet(options.data / "tweet_sentiment" / "train.parquet")["text"].to_list()
    texts, labels = headlines["text"].to_list(), headlines["label"].to_list()
    model = LinearModel.fit(texts[:8_000], TASK.encode(labels[:8_000]), TASK)
    reference = _reference(model, texts[8_000:11_000], labels[8_000:11_000], texts[:8_000])
    drift, random = Drift.since(reference), np.random.default_rng(1)
    print(f"{'tweets':>7}  " + "  ".join(f"{n} of {m}: begins, first" for n, m in RULES))
    for share in SHARES:
        drawn = [_mixed(texts[11_000:], tweets, share, options.size, random) for _ in range(options.windows)]
        states = [drift.update(_window(model, some, reference)) for some in drawn]
        windows = [drift_findings(one, Monitor()) for one in states]
        print(f"{share:7.0%}  " + "  ".join(_told(windows, *rule) for rule in RULES), flush=True)


def _mixed(
    texts: Sequence[str], others: Sequence[str], share: float, size: int, random: np.random.Generator
) -> list[str]:
    count = round(size * share)
    return [*random.choice(texts, size - count, replace=False), *random.choice(others, count, replace=False)]


def _answered(model: LinearModel, texts: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Return the labels given, and how sure the model was."""
    scores = TASK.scores(model.logits(list(texts)))
    return [TASK.labels[place] for place in scores.argmax(axis=1)], TASK.confidence(scores)


def _window(model: LinearModel, texts: Sequence[str], reference: Reference) -> Window:
    labels, sure = _answered(model, texts)
    entries = [
        Entry(0.0, f"1.{place:08x}", "m", "1", text, (label,), (), float(one))
        for place, (text, label, one) in enumerate(zip(texts, labels, sure, strict=True))
    ]
    return window_of(table_of(entries, reference.vocabulary, kept=None))


def _reference(model: LinearModel, texts: Sequence[str], labels: Sequence[str], training: Sequence[str]) -> Reference:
    given, sure = _answered(model, texts)
    right = np.array(given) == np.array(labels)
    return reference_of(Answers(texts, sure, {"labels": given}), training, promise_of(sure, right, given, labels))


def _told(windows: Sequence[list[Finding]], after: int, of: int) -> str:
    """Return how often an alarm began in a hundred windows, and after how many windows the first one did."""
    rules, memory, begun, first = Monitor(alarm_after=after, alarm_of=of), Memory("1", NOON), 0, None
    for number, findings in enumerate(windows, 1):
        window = Judgement(0, NOON, NOON, [], 0.0, None, [])
        memory = settled(voted(memory, window, findings, rules), findings, rules, "m", NOON)
        new = sum(event.state == "begins" for event in memory.unsent)
        memory = Memory(memory.version, NOON, memory.window, memory.votes, memory.alarms)
        begun += new
        first = number if new and first is None else first
    return f"{100 * begun / len(windows):14.1f}, {first if first else '–':>5}"


if __name__ == "__main__":
    main()
