"""`copydesk train`: recipe and data to a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from copydesk.cli.options import (
    DataPath,
    Debug,
    Json,
    LabelColumn,
    Quiet,
    RecipePath,
    Set,
    TextColumns,
    overrides_of,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train")(train)


def train(
    recipe: RecipePath,
    data: DataPath = None,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="DIR|URL", help="The new folder, here or in a bucket; must not exist yet."),
    ] = None,
    checkpoints: Annotated[
        str | None,
        typer.Option(
            "--checkpoints",
            envvar="COPYDESK_CHECKPOINTS",
            metavar="URL",
            help="Keep checkpoints in a bucket, and go on from the newest one of this recipe and data there.",
        ),
    ] = None,
    set_: Set = None,
    text: TextColumns = None,
    label: LabelColumn = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the last unfinished run.")] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Trace a few steps; print the costliest operators.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Prepare, train, evaluate, and write a bundle; the last line names its folder."""
    from copydesk.cli import console
    from copydesk.cli.finished import show_bundle
    from copydesk.files import next_free
    from copydesk.models.distributed import is_leader
    from copydesk.progress import Silent
    from copydesk.remote.recipes import recipe_at
    from copydesk.training import train_bundle

    loaded = recipe_at(recipe, overrides_of(set_, text, label))
    progress = console.listener(quiet=quiet or json) if is_leader() else Silent()
    trace = next_free(Path("profiles"), loaded.name) / "trace.json" if profile else None
    bundle = train_bundle(
        loaded, data=data, out=out, checkpoints=checkpoints, resume=resume, trace=trace, progress=progress
    )
    if not is_leader():
        return
    show_bundle(bundle, progress, json=json, quiet=quiet, at=out if out and "://" in out else None)
