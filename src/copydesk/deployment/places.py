"""Where a served model is: in the image, in a bucket, or in a registry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import get_args

from copydesk.deployment.names import Address, Folder, Like
from copydesk.errors import CopydeskError
from copydesk.registry.references import is_reference, parse

MOUNT = "/srv/models"
"""Where a bucket is mounted."""


@dataclass(frozen=True)
class Place:
    """What `copydesk serve` is told, the bucket that is mounted for it, and whether it may lead elsewhere later."""

    model: str
    bucket: str | None = None
    is_registered: bool = False
    moves: bool = False


def place_of(model: str) -> Place:
    """Return where a model is. Raises `ValueError` for what is no model."""
    if is_reference(model):
        try:
            reference = parse(model)
        except CopydeskError as error:
            raise ValueError(str(error)) from None
        return Place(model, is_registered=True, moves=isinstance(reference.which, str))
    if model.startswith("gs://"):
        _like(Address).check(model)
        bucket, _, path = model.removeprefix("gs://").partition("/")
        return Place(f"{MOUNT}/{path.rstrip('/')}", bucket=bucket)
    if re.match(r"[a-z0-9]+:/", model):
        raise ValueError(
            f"{model[:100]!r} is no model that a server finds. Expected: models:/NAME@ALIAS, hf://OWNER/NAME@v3, "
            "gs://BUCKET/path, or a folder in the image such as /opt/bundle"
        )
    return Place(_like(Folder).check(model).rstrip("/"))


def _like(name: object) -> Like:
    """Return the pattern that a kind of name is held against."""
    found: Like = get_args(name)[1]
    return found
