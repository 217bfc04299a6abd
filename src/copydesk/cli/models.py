"""`copydesk models`: what is registered, what is in production, and how it got there."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from copydesk.cli.options import Debug, Json, Quiet, RegistryAddress

if TYPE_CHECKING:
    from copydesk.registry.base import Registered, Registry


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("models")(models)


def models(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A model, for all its versions and moves.")
    ] = None,
    registry: RegistryAddress = "models:/",
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """List the registered models; of one every version, and its history."""
    from copydesk.cli import console, registry_tables
    from copydesk.registry.moves import account
    from copydesk.registry.references import registry_at

    found = registry_at(registry)
    versions = found.versions(name) if name else _newest_and_named(found)
    history = account(found, name) if name else []
    if json:
        listed = {"versions": [one.to_json() for one in versions]}
        console.print_json({**listed, "history": [asdict(change) for change in history]} if name else listed)
        return
    if not versions:
        console.out.print("No model is registered here. Register one: copydesk register BUNDLE", markup=False)
        return
    console.out.print(registry_tables.versions_table(versions))
    if name and not quiet:
        console.out.print(registry_tables.history_table(history))


def _newest_and_named(registry: Registry) -> list[Registered]:
    """Return of every model the newest version and those that an alias leads to."""
    return [
        one
        for name in registry.names()
        for place, one in enumerate(registry.versions(name))
        if place == 0 or one.aliases
    ]
