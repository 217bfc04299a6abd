"""`copydesk deploy`: manifests for where the images run, and what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from copydesk.cli.options import Debug, Json, Quiet, overrides_of


def register(app: typer.Typer) -> None:
    """Add `deploy` and its commands."""
    deploy = typer.Typer(help="Manifests for Cloud Run, Vertex AI and Kubernetes, and what they cost.")
    deploy.callback()(_deploy)
    deploy.command("render")(render)
    deploy.command("costs")(costs)
    app.add_typer(deploy, name="deploy", no_args_is_help=True)


def _deploy() -> None:
    """Bring a model to where it runs."""


def render(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="cloudrun, vertex, kubernetes, ray or torchrun.")],
    settings: Annotated[Path, typer.Option("--settings", metavar="FILE", help="Where it runs.")] = Path("deploy.yaml"),
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The folder; default: rendered/TARGET.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Override a key of the settings, e.g. serve.cpus=4 (repeatable)."
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write the manifests of a target from the settings; the last line is the folder."""
    from copydesk import deployment
    from copydesk.cli import console

    found = deployment.load_settings(settings, overrides_of(changes, None, None))
    rendered = deployment.render(target, found)
    folder = out or Path("rendered") / target
    paths = deployment.write(rendered, folder)
    command = rendered.command(folder)
    if json:
        console.print_json(
            {
                "target": target,
                "out": str(folder),
                "files": [str(path) for path in paths],
                "notes": rendered.notes,
                "next": command,
            }
        )
        return
    listener = console.listener(quiet=quiet)
    for note in rendered.notes:
        listener.warn(note)
    if not quiet:
        for path in paths:
            console.out.print(str(path), markup=False)
        console.out.print(f"next: {command}", markup=False)
    console.out.print(f"manifests: {folder}", markup=False)


def costs(
    prices: Annotated[
        Path | None, typer.Option("--prices", metavar="FILE", help="Prices and rates; default: those of docs/costs.md.")
    ] = None,
    utilisation: Annotated[
        float | None,
        typer.Option("--utilisation", min=0.01, max=1.0, help="The share of the time that a machine is busy."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say what a million texts cost: measured answers a second times prices."""
    from copydesk.cli import console
    from copydesk.deployment import costs as found

    table = found.load_costs(prices)
    if json:
        console.print_json(table.to_json(utilisation))
        return
    console.out.print(table.markdown(utilisation), markup=False)
