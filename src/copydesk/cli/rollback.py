"""`copydesk rollback`: back to the version that was in production before."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from copydesk.cli.options import Debug, Json, Quiet, RegistryAddress


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rollback")(rollback)


def rollback(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The model.")],
    to: Annotated[
        int | None, typer.Option("--to", metavar="VERSION", help="A version that was in production earlier.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stays in the history.")] = "",
    registry: RegistryAddress = "models:/",
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Let production lead to the version before the present one; again, and it goes further back."""
    from copydesk.cli import console
    from copydesk.registry import moves
    from copydesk.registry.facts import mover
    from copydesk.registry.references import registry_at

    change = moves.rollback(registry_at(registry), name, mover(), to=to, reason=reason)
    if json:
        console.print_json({"name": name, **asdict(change)})
        return
    console.out.print(f"production of '{name}': version {change.version} (was {change.before})", markup=False)
