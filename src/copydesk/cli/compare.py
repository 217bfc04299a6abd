"""`copydesk compare`: several kinds of model on one Dataset."""

from __future__ import annotations

from typing import Annotated

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


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare")(compare)


def compare(
    recipe: RecipePath,
    data: DataPath = None,
    models: Annotated[str, typer.Option("--models", metavar="KIND,…", help="Which kinds to train.")] = "linear,encoder",
    out: OutPath = None,
    set_: Set = None,
    text: TextColumns = None,
    label: LabelColumn = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train several kinds of model on the same Dataset and print the leaderboard."""
    from typing import get_args

    from copydesk.cli import console, tables
    from copydesk.compare import compare_models
    from copydesk.errors import UsageError
    from copydesk.recipe import ModelKind
    from copydesk.remote.recipes import recipe_at

    kinds = [kind.strip() for kind in models.split(",") if kind.strip()]
    unknown = [kind for kind in kinds if kind not in get_args(ModelKind)]
    if unknown or not kinds:
        raise UsageError(f"--models {models!r}: choose from {', '.join(get_args(ModelKind))}, separated by commas.")
    loaded = recipe_at(recipe, overrides_of(set_, text, label))
    progress = console.listener(quiet=quiet or json)
    entries = compare_models(loaded, kinds, data=data, out=out, progress=progress)
    for note in (note for entry in entries for note in entry.report.notes):
        progress.warn(note)
    if json:
        rows = [
            {"model": entry.kind, "bundle": str(entry.bundle.path), "report": entry.report.to_json()}
            for entry in entries
        ]
        console.print_json({"models": rows})
        return
    console.out.print(tables.leaderboard(entries))
    for entry in entries:
        console.out.print(f"{entry.kind}: {entry.bundle.path}", markup=False)
