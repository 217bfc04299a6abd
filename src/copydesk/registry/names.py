"""Which names and aliases a model may have: checked before they reach a path, a query or a request.

A name is what a recipe may be called. An alias can be told from a version's number, and from what MLflow (`latest`,
`v3`) and W&B keep for themselves.
"""

from __future__ import annotations

import re

from copydesk.errors import RegistryError

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_ALIAS = re.compile(r"(?!latest$|v\d+$)[a-z][a-z0-9_-]{0,62}")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,62}")


def require_name(name: str) -> str:
    """Return a model's name. Raises `RegistryError` for one that no recipe may have."""
    if not _NAME.fullmatch(name):
        raise RegistryError(
            f"{name[:80]!r} is no name of a model. A name has 1 to 64 of a-z, 0-9, '.', '_', '-', and begins with a "
            "letter or a digit."
        )
    return name


def is_alias(word: str) -> bool:
    """Tell whether a word may be an alias, and is not another's."""
    return _ALIAS.fullmatch(word) is not None


def require_alias(alias: str) -> str:
    """Return an alias. Raises `RegistryError` for one that could be a path, a number, or another's word."""
    if not is_alias(alias):
        raise RegistryError(
            f"{alias[:80]!r} is no alias. An alias such as 'staging' has up to 63 of a-z, 0-9, '_', '-', and begins "
            "with a letter; 'latest' and 'v3' mean something else."
        )
    return alias


def require_kind(kind: str) -> str:
    """Return the kind of what is attached to a version. Raises `RegistryError` for one that could be a path."""
    if not _KIND.fullmatch(kind):
        raise RegistryError(f"{kind[:80]!r} cannot be attached. A kind such as 'checks' has up to 63 of a-z, 0-9, '_'.")
    return kind
