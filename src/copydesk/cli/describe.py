"""`copydesk describe`: the data as figures, findings and a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from copydesk.cli.options import DataPath, Debug, Json, LabelColumn, Quiet, Set, TextColumns, overrides_of

_RECIPES = (".yaml", ".yml")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("describe")(describe)


def describe(
    what: Annotated[
        str, typer.Argument(metavar="DATA|RECIPE", help="CSV, TSV, JSONL, Parquet, a Dataset, or a recipe file.")
    ],
    data: DataPath = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="DIR", help="Where to write data.json and data.html.")
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", metavar="TASK", help="single, multi or signals, for data without a recipe.")
    ] = None,
    set_: Set = None,
    text: TextColumns = None,
    label: LabelColumn = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Describe texts and labels before training: what to know first, with figures and plots in one HTML file."""
    from copydesk.cli import console, tables
    from copydesk.describe.page import render_description
    from copydesk.describe.run import describe as describe_recipe
    from copydesk.describe.run import describe_alone
    from copydesk.errors import UsageError
    from copydesk.files import new_folder, next_free, refuse_existing, write_json, write_text
    from copydesk.remote.recipes import recipe_at

    if report is not None:
        refuse_existing(report)
    settings = {**overrides_of(set_, text, label), **({"task": task} if task else {})}
    progress = console.listener(quiet=quiet or json)
    if what.endswith(_RECIPES):
        facts = describe_recipe(recipe_at(what, settings), data, labelled=label is not None, progress=progress)
    elif data is not None:
        raise UsageError(f"--data needs a recipe before it, and '{what}' is none (*.yaml). Give one of the two.")
    else:
        facts = describe_alone(what, settings, progress=progress)
    target = report or next_free(Path("descriptions"), facts.name)
    with new_folder(target) as folder:
        write_json(folder / "data.json", facts.to_json())
        write_text(folder / "data.html", render_description(facts))
    if json:
        console.print_json({"description": str(target), **facts.to_json()})
        return
    if not quiet:
        console.out.print(tables.facts_table(facts))
        for finding in facts.findings:
            console.out.print(
                f"  {tables.LEVELS[finding.level]}: {finding.what} {finding.remedy}".rstrip(), markup=False
            )
    console.out.print(f"description: {target}", markup=False)
