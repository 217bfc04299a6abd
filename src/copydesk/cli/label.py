"""`copydesk label`: raw texts to a table with weak labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from copydesk.cli.options import Debug, Json, LabelColumn, Quiet, RecipePath, Set, TextColumns, overrides_of


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("label")(label_)


def label_(
    recipe: RecipePath,
    raw: Annotated[
        str | None, typer.Argument(metavar="[RAW]", help="CSV, TSV, JSONL or Parquet; default: the recipe's source.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="The new Parquet file.")] = None,
    set_: Set = None,
    text: TextColumns = None,
    label: LabelColumn = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Label texts by labelling functions; the last line names the file."""
    from datetime import UTC, datetime

    from copydesk.cli import console, tables
    from copydesk.data.raw import LABELLED, PARQUET
    from copydesk.files import next_free, refuse_existing
    from copydesk.labelling.label import label_texts
    from copydesk.remote.recipes import recipe_at

    loaded = recipe_at(recipe, overrides_of(set_, text, label))
    target = out or next_free(LABELLED, loaded.name, PARQUET)
    refuse_existing(target)
    progress = console.listener(quiet=quiet or json)
    done = label_texts(loaded, raw, out=target, now=datetime.now(UTC), progress=progress)
    if json:
        console.print_json({"labelled": str(target), **done.to_json()})
        return
    if not quiet:
        console.out.print(tables.functions_table(done.functions))
        console.out.print(tables.labelled_table(done.counts))
    console.out.print(f"labelled: {target}", markup=False)
