"""`copydesk demo`: from nothing to two trained, evaluated, usable classifiers."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from copydesk.cli.options import Debug, Quiet


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    recipe: Annotated[
        Path | None, typer.Argument(metavar="[RECIPE]", help="A recipe for headlines; default: clickbait.")
    ] = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="Use the built-in sample without trying the source.")
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train and compare a linear model and an encoder on headlines, and show what to type next."""
    from copydesk.cli import console, tables
    from copydesk.demo import run_demo
    from copydesk.recipe import load_recipe, shipped_recipe

    path = recipe or shipped_recipe("clickbait")
    made = run_demo(load_recipe(path), sample=sample, progress=console.listener(quiet=quiet))
    out = console.out
    out.print(f"\nTexts: {made.texts_from}", markup=False)
    out.print(tables.leaderboard(made.entries))
    best = made.entries[0]
    out.print(f"\nThe {best.kind} says:", markup=False)
    for headline, answer in made.answers:
        out.print(f"  {answer.label or '-':<10} {answer.score:.3f}  {headline}", markup=False)
    program = _program()
    out.print("\nWhat to do next:", markup=False)
    text = shlex.quote("9 secrets your dentist will never tell you")
    out.print(f"  {program} predict {best.bundle.path} {text}", markup=False)
    out.print(f"  open the report: {best.bundle.layout.report_page}", markup=False)
    out.print(f"  {program} train {path} --data YOUR.csv      # columns text,label", markup=False)


def _program() -> str:
    """Return how the user can type the command: its name if the shell finds it, else as it was called."""
    if shutil.which("copydesk"):
        return "copydesk"
    return f"{sys.executable} -m copydesk" if Path(sys.argv[0]).name == "__main__.py" else sys.argv[0]
