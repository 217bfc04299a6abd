"""`copydesk collect`: the recipe's sources to one raw Parquet file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from copydesk.cli.options import Debug, Json, Quiet, RecipePath, Set, overrides_of


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("collect")(collect)


def collect(
    recipe: RecipePath,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The new Parquet file; must not exist yet.")
    ] = None,
    set_: Set = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Gather files and news from GDELT into one raw file, named on the last line; what was interrupted goes on."""
    from copydesk.cli import console, tables
    from copydesk.collect.collection import collect as collect_all
    from copydesk.remote.recipes import recipe_at

    progress = console.listener(quiet=quiet or json)
    collected = collect_all(recipe_at(recipe, overrides_of(set_, None, None)), out=out, progress=progress)
    if json:
        console.print_json({"raw": str(collected.path), **collected.facts})
        return
    if not quiet:
        console.out.print(tables.collected_table(collected.facts["counts"]))
    console.out.print(f"raw: {collected.path}", markup=False)
