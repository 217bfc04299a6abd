"""`copydesk init`: a new project's folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from copydesk.cli.options import Debug, Json, Quiet


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init")(init)


def init(
    project: Annotated[Path, typer.Argument(metavar="NAME", help="The new folder; its name names the project.")],
    recipe: Annotated[
        str,
        typer.Option("--recipe", metavar="RECIPE", help="clickbait, arxiv, restaurant, signals, tweets or blank."),
    ] = "blank",
    source: Annotated[
        str | None,
        typer.Option(
            "--source", metavar="sample|real", help="Built-in texts (the default where there are some) or not."
        ),
    ] = None,
    git: Annotated[
        bool, typer.Option("--git/--no-git", help="Make it a git repository, where git is installed.")
    ] = True,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a new project: recipe, pipeline, workflows, containers; ends with the commands to type next."""
    from copydesk.cli import console
    from copydesk.errors import UsageError
    from copydesk.project.write import write_project

    if source not in (None, "sample", "real"):
        raise UsageError(f"--source {source!r} is neither 'sample' nor 'real'.")
    made = write_project(project, recipe, sample=None if source is None else source == "sample", git=git)
    if json:
        console.print_json(made.to_json())
        return
    if not quiet:
        for line in made.notes:
            console.out.print(line, markup=False)
        if shutil.which("dvc") is None:
            console.out.print("DVC is not installed here: python -m pip install --requirement requirements.txt, in it")
        console.out.print("\nWhat to do next:", markup=False)
        for command in made.commands:
            console.out.print(f"  {command}", markup=False)
    console.out.print(f"project: {made.path}", markup=False)
