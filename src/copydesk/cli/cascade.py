"""`copydesk cascade`: a linear bundle in front of a better one."""

from __future__ import annotations

from typing import Annotated

import typer

from copydesk.cli.options import DataPath, Debug, Json, OutPath, Quiet, Set, Trust, overrides_of


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("cascade")(cascade)


def cascade(
    linear: Annotated[str, typer.Argument(metavar="LINEAR", help="The bundle of the linear model.")],
    encoder: Annotated[str, typer.Argument(metavar="ENCODER", help="The bundle of the better model.")],
    data: DataPath = None,
    out: OutPath = None,
    set_: Set = None,
    distil: Annotated[
        bool, typer.Option("--distil", help="Fit the linear model anew, to the encoder's answers too (model.distil).")
    ] = False,
    trust: Trust = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Let the linear model answer where it is sure and the encoder the rest; the last line names the bundle."""
    from copydesk.cli import console
    from copydesk.cli.finished import show_bundle
    from copydesk.pair import pair_bundles
    from copydesk.recipe import override
    from copydesk.runtime.engine import Classifier

    progress = console.listener(quiet=quiet or json)
    first, second = Classifier.load(linear), Classifier.load(encoder)
    recipe = override(second.recipe, {"model.kind": "cascade", **overrides_of(set_, None, None)})
    bundle = pair_bundles(recipe, first, second, data=data, out=out, anew=distil, progress=progress)
    show_bundle(bundle, progress, json=json, quiet=quiet)
