"""`copydesk register`: a bundle becomes the next version of a model."""

from __future__ import annotations

from typing import Annotated

import typer

from copydesk.cli.options import Debug, Json, Quiet, Trust


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("register")(register_bundle)


def register_bundle(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A bundle folder, or another registry's version.")],
    name: Annotated[str | None, typer.Option("--name", help="The model's name; the bundle's unless given.")] = None,
    alias: Annotated[
        str | None, typer.Option("--alias", help="An alias to lead to it, e.g. staging; production takes `promote`.")
    ] = None,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            envvar="COPYDESK_REGISTRY",
            metavar="REGISTRY",
            help="models:/ (MLflow), hf://OWNER or wandb://ENTITY/PROJECT.",
        ),
    ] = "models:/",
    trust: Trust = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Keep a bundle in a registry as the model's next version; an equal one is there once."""
    from copydesk.cli import console
    from copydesk.registry.facts import facts_of, mover
    from copydesk.registry.moves import point, require_settable
    from copydesk.registry.references import opened, pinned_at, registry_at

    if alias is not None:
        require_settable(alias)
    registry, found, who = registry_at(to), opened(bundle), mover()
    given = facts_of(found, who)
    version = registry.add(found, name or str(found.manifest["name"]), given)
    if version.facts != given:
        console.listener(quiet=quiet or json).say(
            f"It is there already: {version.facts.by} registered it {version.facts.created}."
        )
    if alias is not None:
        point(registry, version, alias, who)
        version = registry.find(version.name, version.version)
    reference = pinned_at(to, version)
    if json:
        console.print_json({"reference": reference, **version.to_json()})
        return
    named = f"  alias: {', '.join(version.aliases)}" if version.aliases else ""
    console.out.print(f"registered: {reference}{named}", markup=False)
