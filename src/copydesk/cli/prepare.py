"""`copydesk prepare`: raw data to a Dataset folder."""

from __future__ import annotations

from pathlib import Path

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
    app.command("prepare")(prepare)


def prepare(
    recipe: RecipePath,
    data: DataPath = None,
    out: OutPath = None,
    set_: Set = None,
    text: TextColumns = None,
    label: LabelColumn = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Clean, deduplicate and split the data; the last line names the Dataset's folder."""
    from copydesk.cli import console, tables
    from copydesk.data.prepare import prepare_dataset
    from copydesk.files import refuse_existing
    from copydesk.recipe import load_recipe
    from copydesk.runs import next_free

    loaded = load_recipe(recipe, overrides_of(set_, text, label))
    target = out or next_free(Path("datasets"), loaded.name)
    refuse_existing(target)
    progress = console.listener(quiet=quiet or json)
    dataset = prepare_dataset(loaded, data, progress=progress)
    dataset.save(target)
    if json:
        console.print_json({"dataset": str(target), "manifest": dataset.manifest})
        return
    if not quiet:
        console.out.print(tables.dropped_table(dataset.manifest))
        for conflict in dataset.manifest["conflicts"][:5]:
            console.out.print(f"  two labels: {conflict}", markup=False)
        console.out.print(tables.dataset_table(dataset.manifest))
    console.out.print(f"dataset: {target}", markup=False)
