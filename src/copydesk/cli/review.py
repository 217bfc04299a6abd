"""`copydesk review`: a local page to go through doubtful texts with the keyboard."""

from __future__ import annotations

import shlex
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from copydesk.cli.options import Debug, Json, Quiet


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("review")(review)


def review(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A review file (JSONL), a labelled raw table (Parquet), or a Dataset."),
    ],
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="N", min=0, max=65535, help="The page's port; default: 8470, or a free one."),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the page's address; open no browser.")
    ] = False,
    recipe: Annotated[
        Path | None, typer.Option("--recipe", metavar="RECIPE", help="The recipe that a raw table was labelled with.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="At most so many texts of a raw table or Dataset.")
    ] = 1_000,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Open a page to go through doubtful texts; every decision is saved at once. Ctrl-C ends it."""
    from copydesk.cli import console
    from copydesk.review.counts import counts_of
    from copydesk.review.server import open_server
    from copydesk.review.session import open_session

    progress = console.listener(quiet=quiet or json)
    with open_session(_review_file(file, recipe, limit)) as session:
        with open_server(session, port) as server:
            typer.echo(f"{session.path.name}: {len(session.items):,} texts at {server.url}", err=True)
            progress.say("Every decision is saved at once. Ctrl-C ends the review.")
            if not no_browser:
                webbrowser.open(server.url)
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                pass
        counts = counts_of(session.tally)
        path, is_queue = _short(session.path), any(item.prediction for item in session.items)
    data = ["--data", str(file)] if file.suffix == ".parquet" else []
    words = ["retrain", "RECIPE", "--review"] if is_queue else ["prepare", str(recipe or "RECIPE"), *data, "--reviewed"]
    command = shlex.join(["copydesk", *words, path])
    if json:
        summary = {"decided": counts.decided, "skipped": counts.skipped, "texts": counts.all}
        console.print_json({"review": path, **summary, "next": command})
        return
    console.out.print(f"{counts.decided:,} of {counts.all:,} texts decided. Next: {command}", markup=False)


def _review_file(file: Path, recipe: Path | None, limit: int) -> Path:
    """Return the review file; one is made beside a raw table or a Dataset."""
    from copydesk.errors import UsageError

    if not file.exists():
        raise UsageError(f"'{file}' does not exist. Give a review file, a labelled raw table, or a Dataset's folder.")
    if not file.is_dir() and file.suffix != ".parquet":
        return file
    from copydesk.recipe import load_recipe
    from copydesk.review.doubts import file_of_doubts

    return file_of_doubts(file, load_recipe(recipe) if recipe else None, limit=limit)


def _short(path: Path) -> str:
    """Return the path from the working folder where it is below it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
