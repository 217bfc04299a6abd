"""`copydesk sign`: a bundle signed with a private key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from copydesk.cli.options import Debug, Json, Quiet


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sign")(sign)


def sign(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle folder.")],
    key: Annotated[
        Path, typer.Option("--key", metavar="FILE", help="An Ed25519 private key (PEM); see docs/security.md.")
    ],
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Sign a bundle, so that who trusts the key can tell who made it; the last line names the signature's file."""
    from copydesk.bundle import sign_bundle
    from copydesk.cli import console
    from copydesk.signing import KEY_PASSWORD

    signed = sign_bundle(bundle, key, os.environ.get(KEY_PASSWORD))
    if json:
        console.print_json({"bundle": str(bundle), "digest": signed.digest, "signature": str(signed.layout.signature)})
        return
    console.out.print(f"signed: {signed.layout.signature}", markup=False)
