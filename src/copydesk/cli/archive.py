"""`copydesk pack` and `copydesk unpack`: a bundle as one file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from copydesk.cli.options import Debug, Json, ModelPath, OutPath, Quiet, Trust


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("pack")(pack)
    app.command("unpack")(unpack)


def pack(
    model: ModelPath,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The new .tar.gz; default: the folder's name and that.")
    ] = None,
    trust: Trust = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Pack a bundle into one archive, the same for the same bundle; the last line is `archive: FILE`."""
    from copydesk.archive import SUFFIX
    from copydesk.archive import pack as write
    from copydesk.cli import console
    from copydesk.files import sha256_of
    from copydesk.registry.references import opened

    bundle = opened(model)
    version = bundle.registered
    beside = Path(f"{version.name}-v{version.version}") if version else bundle.path
    archive = write(bundle, out or beside.with_name(beside.name + SUFFIX))
    if json:
        console.print_json({"archive": str(archive), "sha256": sha256_of(archive), "digest": bundle.digest})
        return
    console.out.print(f"archive: {archive}", markup=False)


def unpack(
    archive: Annotated[Path, typer.Argument(metavar="FILE", help="An archive that `copydesk pack` wrote.")],
    out: OutPath = None,
    trust: Trust = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Unpack and verify a bundle's archive, or leave nothing behind; the last line is `bundle: DIR`."""
    from copydesk.archive import SUFFIX
    from copydesk.archive import unpack as read
    from copydesk.bundle import BUNDLES
    from copydesk.cli import console

    bundle = read(archive, out or BUNDLES / archive.name.removesuffix(SUFFIX))
    if json:
        console.print_json({"bundle": str(bundle.path), "digest": bundle.digest})
        return
    console.out.print(f"bundle: {bundle.path}", markup=False)
