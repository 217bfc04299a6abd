"""`copydesk promote`: into production, if the gate lets it."""

from __future__ import annotations

from typing import Annotated

import typer

from copydesk.cli.options import Debug, Json, Quiet, RegistryAddress, Trust


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("promote")(promote)


def promote(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The model.")],
    version: Annotated[
        int | None, typer.Argument(metavar="VERSION", help="Which version; default: the alias staging's.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="PATH", help="Test data: a Dataset or a labelled file; replaces the source."),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option("--recipe", metavar="RECIPE", help="Whose gate, behaviours and source count.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Promote although the gate refuses; needs --reason.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why it is forced; it stays in the history.")] = "",
    if_new: Annotated[
        bool, typer.Option("--if-new", help="Exit with 0 if that version is in production already.")
    ] = False,
    registry: RegistryAddress = "models:/",
    trust: Trust = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure a version next to the one in production, and let production lead to it if the gate finds no fault."""
    from copydesk.cli import console, registry_tables
    from copydesk.errors import InProduction, UsageError
    from copydesk.gate.promote import Request, Shelf
    from copydesk.gate.promote import promote as decide
    from copydesk.registry.facts import mover
    from copydesk.registry.references import opened, pinned_at, registry_at

    if force != bool(reason.strip()):
        raise UsageError("--force and --reason go together: who overrules the gate says why, e.g. --reason 'hotfix'.")
    shelf = Shelf(
        registry_at(registry),
        open=lambda one: opened(pinned_at(registry, one)),
        call=lambda one: pinned_at(registry, one),
    )
    progress = console.listener(quiet=quiet or json)
    try:
        decision = decide(shelf, name, Request(version, data, recipe, reason.strip()), mover(), progress=progress)
    except InProduction as there:
        if not if_new:
            raise
        _say_there(name, str(there), json)
        return
    for warning in decision.warnings:
        progress.warn(warning)
    if json:
        console.print_json({"name": name, **decision.to_json()})
    else:
        if decision.verdict.failures:
            console.out.print(registry_tables.failures_table(decision.verdict.failures))
        for line in registry_tables.decision_lines(name, decision):
            console.out.print(line, markup=False)
    if not decision.promoted:
        raise typer.Exit(1)


def _say_there(name: str, told: str, json: bool) -> None:
    from copydesk.cli import console

    if json:
        console.print_json({"name": name, "action": "unchanged", "why": told})
    else:
        console.out.print(told, markup=False)
