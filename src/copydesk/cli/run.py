"""`copydesk run`: every stage that the recipe needs."""

from __future__ import annotations

import typer

from copydesk.cli.options import Debug, Json, Quiet, RecipePath, Set, overrides_of


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(recipe: RecipePath, set_: Set = None, json: Json = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """Do every stage the recipe needs, skipping what is unchanged; the last line names the bundle."""
    from copydesk.cli import console, tables
    from copydesk.pipeline.run import run_recipe
    from copydesk.remote.recipes import recipe_at

    progress = console.listener(quiet=quiet or json)
    outcome = run_recipe(recipe_at(recipe, overrides_of(set_, None, None)), progress=progress)
    for note in outcome.notes:
        progress.warn(note)
    if json:
        console.print_json(outcome.to_json())
        return
    if not quiet:
        console.out.print(tables.figures_table(outcome.figures, outcome.bundle.report.n))
        console.out.print(f"report: {outcome.bundle.layout.report_page}", markup=False)
    console.out.print(f"bundle: {outcome.bundle.path}", markup=False)
