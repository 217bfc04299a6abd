"""`copydesk export`: an encoder's bundle in the precision that is fastest here."""

from __future__ import annotations

import typer

from copydesk.cli.options import DataPath, Debug, Json, ModelPath, OutPath, Quiet, Set, Trust, overrides_of


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)


def export(
    model: ModelPath,
    data: DataPath = None,
    out: OutPath = None,
    set_: Set = None,
    trust: Trust = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Choose an encoder's precision anew on this machine, without training; the last line names the new bundle."""
    from copydesk.cli import console, tables
    from copydesk.cli.finished import show_bundle
    from copydesk.export import export_bundle
    from copydesk.registry.references import opened

    progress = console.listener(quiet=quiet or json)
    settings = overrides_of(set_, None, None)
    bundle = export_bundle(opened(model), data=data, out=out, settings=settings, progress=progress)
    runtime = bundle.report.training.get("runtime")
    measured = [tables.runtime_table(runtime, bundle.report.headline)] if runtime else []
    show_bundle(bundle, progress, json=json, quiet=quiet, before=measured)
