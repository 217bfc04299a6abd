"""`copydesk tune`: search over the settings that the recipe leaves `auto`."""

from __future__ import annotations

from pathlib import Path
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
    app.command("tune")(tune)


def tune(
    recipe: RecipePath,
    data: DataPath = None,
    trials: Annotated[
        int | None, typer.Option("--trials", metavar="N", help="How many trials in all; default: tune.trials.")
    ] = None,
    out: OutPath = None,
    storage: Annotated[
        Path | None, typer.Option("--storage", metavar="FILE", help="The study; one that exists is continued.")
    ] = None,
    set_: Set = None,
    text: TextColumns = None,
    label: LabelColumn = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Search for better training settings, judged on the validation part; the last line names the findings' folder."""
    import shlex

    from copydesk.cli import console, tables
    from copydesk.remote.recipes import recipe_at
    from copydesk.tuning.run import tune_recipe

    loaded = recipe_at(recipe, overrides_of(set_, text, label))
    progress = console.listener(quiet=quiet or json)
    tuning, folder = tune_recipe(loaded, data=data, trials=trials, out=out, storage=storage, progress=progress)
    given = ["--data", data] if data else []
    for option, values in (("--set", set_), ("--text", text), ("--label", [label] if label else [])):
        given += [word for value in values or [] for word in (option, value)]
    settings = [word for setting in tuning.overrides() for word in ("--set", setting)]
    command = shlex.join(["copydesk", "train", str(recipe), *given, *settings])
    if json:
        console.print_json({"tuning": str(folder), "command": command, "findings": tuning.to_json()})
        return
    if not quiet:
        console.out.print(tables.tuning_table(tuning))
        console.out.print(f"report: {folder / 'report.html'}", markup=False)
        console.out.print(command, markup=False)
    console.out.print(f"tuning: {folder}", markup=False)
