"""`copydesk prepare`: raw data to a Dataset folder, and what is doubtful in it to a review file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from copydesk.cli.options import (
    DataPath,
    Debug,
    Json,
    LabelColumn,
    OutPath,
    Quiet,
    RecipePath,
    Set,
    TextColumns,
    overrides_of,
)

if TYPE_CHECKING:
    from copydesk.recipe import Recipe
    from copydesk.repair.find import Wanted

Reviewed = Annotated[
    list[Path] | None,
    typer.Option(
        "--reviewed", metavar="FILE", help="Apply a review file's decisions, besides the recipe's (repeatable)."
    ),
]
FindLabelErrors = Annotated[
    bool, typer.Option("--find-label-errors", help="Also write a review file: wrong labels, conflicts.")
]
Also = Annotated[
    list[str] | None,
    typer.Option(
        "--also", metavar="WHAT", help="With --find-label-errors: language, outlier or uncertain (repeatable)."
    ),
]
WithEncoder = Annotated[
    bool,
    typer.Option("--with-encoder", help="With --find-label-errors: compare texts by the encoder; slower, finds more."),
]
ReviewOut = Annotated[
    Path | None, typer.Option("--review-out", metavar="FILE", help="The new review file; must not exist yet.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("prepare")(prepare)


def prepare(
    recipe: RecipePath,
    data: DataPath = None,
    out: OutPath = None,
    set_: Set = None,
    text: TextColumns = None,
    label: LabelColumn = None,
    reviewed: Reviewed = None,
    find_label_errors: FindLabelErrors = False,
    also: Also = None,
    with_encoder: WithEncoder = False,
    review_out: ReviewOut = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Clean, deduplicate and split the data; the last line names the Dataset's folder."""
    from copydesk.cli import console, tables
    from copydesk.data.prepare import prepare_dataset
    from copydesk.data.review_file import write_review
    from copydesk.files import next_free, refuse_existing
    from copydesk.remote.recipes import recipe_at

    wanted = _wanted(find_label_errors, also or [], with_encoder, review_out)
    loaded = _with_reviews(recipe_at(recipe, overrides_of(set_, text, label)), reviewed or [])
    target = out or next_free(Path("datasets"), loaded.name)
    review = review_out or next_free(Path("reviews"), loaded.name, ".jsonl")
    refuse_existing(target)
    refuse_existing(review)
    progress = console.listener(quiet=quiet or json)
    found = None
    if wanted is None:
        dataset = prepare_dataset(loaded, data, progress=progress)
    else:
        from copydesk.repair.find import find_doubts

        found = find_doubts(loaded, data, wanted, progress=progress)
        dataset = found.dataset
        write_review(review, found.review)
    dataset.save(target)
    if json:
        facts = {"review": str(review), **found.to_json()} if found else {}
        console.print_json({"dataset": str(target), "manifest": dataset.manifest, **facts})
        return
    if not quiet:
        console.out.print(tables.dropped_table(dataset.manifest))
        for conflict in dataset.manifest["conflicts"][:5]:
            console.out.print(f"  two labels: {conflict}", markup=False)
        console.out.print(tables.dataset_table(dataset.manifest))
    if found:
        for line in [] if quiet else tables.doubt_lines(found):
            console.out.print(line, markup=False)
        console.out.print(f"review: {review}", markup=False)
    console.out.print(f"dataset: {target}", markup=False)


def _wanted(find_label_errors: bool, also: list[str], with_encoder: bool, review_out: Path | None) -> Wanted | None:
    """Return what to look for; None for nothing. Raises `UsageError` for options that do not belong together."""
    from copydesk.errors import UsageError

    if not find_label_errors:
        if also or with_encoder or review_out:
            raise UsageError("--also, --with-encoder and --review-out belong to --find-label-errors, which is missing.")
        return None
    from copydesk.repair.find import Wanted

    return Wanted(tuple(also), with_encoder)


def _with_reviews(recipe: Recipe, files: list[Path]) -> Recipe:
    from copydesk.recipe import override

    paths = [*recipe.prepare.reviewed, *(str(path.resolve()) for path in files)]
    return override(recipe, {"prepare.reviewed": paths}) if files else recipe
