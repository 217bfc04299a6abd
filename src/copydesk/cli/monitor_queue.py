"""`copydesk monitor queue`: the texts of a prediction log that are most worth labelling, as a review file."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from copydesk.cli.options import Debug, Json, LogAddress, ModelPath, Quiet, Since, Texts, Trust, Until

REVIEWS = Path("reviews")


def register(monitor: typer.Typer) -> None:
    """Add the command."""
    monitor.command("queue")(queue)


def queue(
    model: ModelPath,
    log: LogAddress,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The new review file; default: reviews/NAME-N.jsonl.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many texts.")] = 200,
    random: Annotated[
        float, typer.Option("--random", metavar="SHARE", min=0, max=1, help="The share that is drawn at random.")
    ] = 0.2,
    since: Since = "7d",
    until: Until = None,
    texts: Texts = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Other random numbers.")] = 0,
    trust: Trust = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write the texts most worth labelling to a review file: uncertain, drifted, disagreed on, and some at random."""
    from copydesk.cli import console
    from copydesk.data.review_file import write_review
    from copydesk.files import next_free, refuse_existing
    from copydesk.monitor.times import moment
    from copydesk.registry.references import opened
    from copydesk.retraining.log import read_log, read_texts
    from copydesk.retraining.merge import FOLDER
    from copydesk.retraining.queued import Wanted, review_of_log, reviewed_before

    progress = console.listener(quiet=quiet or json)
    bundle, now = opened(model), datetime.now(UTC)
    name = str(bundle.manifest["name"])
    path = out or next_free(REVIEWS, name, ".jsonl")
    refuse_existing(path)
    logged = read_log(log, moment(since, now), moment(until, now) if until else None)
    if texts is not None:
        logged = logged.with_texts(read_texts(texts, bundle.settings.text, bundle.settings.normalise))
    before = reviewed_before(dict.fromkeys((REVIEWS, FOLDER, path.parent), name))
    wanted = Wanted(limit, random, seed, before)
    found = review_of_log(bundle, logged, wanted, progress=progress)
    write_review(path, found.review)
    command = shlex.join(["copydesk", "review", str(path)])
    if json:
        facts = {"texts": len(found.review.items), "reasons": found.reasons, "looked_at": found.looked_at}
        console.print_json({"review": str(path), **facts, "trained_on": found.known, "next": command})
        return
    if not quiet:
        for reason, count in found.reasons.items():
            console.out.print(f"{count:>6,} {reason}", markup=False)
    console.out.print(f"review: {path}  next: {command}", markup=False)
