"""Recipes at addresses: the file, and the files that it names beside itself, as local copies.

All copies of one state stand in one folder of the cache, in the places that they have at their address, so that an
error which names a copy says which file it is of. Sources are not copied: they become addresses, fetched when read.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import shutil
from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any
from urllib.parse import quote

from copydesk.errors import RecipeError
from copydesk.files import cache_folder, new_folder, sha256_of
from copydesk.paths import fault_of
from copydesk.progress import Progress
from copydesk.recipe import Recipe, load_recipe, read_recipe, with_files
from copydesk.remote.store import is_address

_REVISION = re.compile(r"[?#].*$|@\d+$")


def recipe_at(
    place: str | PathLike[str], overrides: Mapping[str, Any] | None = None, *, progress: Progress | None = None
) -> Recipe:
    """Read a recipe from a file, or from an address together with the files beside it.

    Raises `RecipeError`, `SourceError` naming the address that cannot be fetched, `MissingExtra`.
    """
    address = fspath(place)
    if "://" not in address:
        return load_recipe(place, overrides)
    recipe = _beside(_read(address, overrides, progress), _REVISION.sub("", address))
    _refuse_code(address, [*recipe.weak.functions, *recipe.evaluate.functions])
    remote = sorted(file for file in _named(recipe) if "://" in file)
    copies = _copied(remote, progress) if remote else {}
    return with_files(recipe, lambda file: str(copies.get(file, file)), lambda source: source)


def _read(address: str, overrides: Mapping[str, Any] | None, progress: Progress | None) -> Recipe:
    from copydesk.remote.fetch import fetch

    local = fetch(address, progress=progress).path
    try:
        return read_recipe(local, address, overrides, references=is_address(address))
    except RecipeError as error:
        raise RecipeError(str(error).replace(str(local), address)) from None


def _beside(recipe: Recipe, address: str) -> Recipe:
    """Return the recipe with its relative paths as addresses. Raises `RecipeError` for one that leads out."""
    scheme, _, rest = address.partition("://")
    bucket, _, path = rest.partition("/")

    def joined(file: str) -> str:
        if "://" in file or Path(file).is_absolute():
            return file
        found = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), file)).lstrip("/")
        if posixpath.normpath(posixpath.join(posixpath.dirname(path), file)).startswith(".."):
            raise RecipeError(f"Recipe '{address}' names {file!r}, which leads out of {scheme}://{bucket}.")
        return f"{scheme}://{bucket}/{quote(found) if scheme in ('http', 'https') else found}"

    return with_files(recipe, joined, joined)


def _named(recipe: Recipe) -> set[str]:
    """Return the files that the recipe is read with."""
    found: set[str] = set()

    def note(file: str) -> str:
        found.add(file)
        return file

    with_files(recipe, note, lambda source: source)
    return found


def _refuse_code(address: str, files: list[str]) -> None:
    """Raise `RecipeError` for Python that the recipe's own bucket does not vouch for: it would be run.

    A recipe on the web may name no Python at all, wherever that stands; one in a bucket may name none on the web. What
    is Python says the name of its copy, which is without a revision.
    """
    for file in files:
        trusted = is_address(address) and (is_address(file) or "://" not in file)
        if _REVISION.sub("", file).endswith(".py") and not trusted:
            raise RecipeError(
                f"'{file}' is Python, and would be run unseen. Download the recipe with its files, read them, and give "
                "the recipe's path."
            )


def _copied(addresses: list[str], progress: Progress | None) -> dict[str, Path]:
    """Return the local copies of files; an address keeps its copy until its content changes."""
    from filelock import FileLock

    from copydesk.remote.fetch import fetch

    found = {address: fetch(address, progress=progress).path for address in addresses}
    state = hashlib.sha256("\n".join(f"{address} {sha256_of(found[address])}" for address in found).encode())
    folder = cache_folder() / "recipes" / state.hexdigest()[:16]
    places = {address: _place(address) for address in found}
    with FileLock(folder.parent.parent / ".recipes.lock"):
        if not folder.is_dir():
            with new_folder(folder) as temporary:
                for address, place in places.items():
                    (temporary / place).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(found[address], temporary / place)
    return {address: folder / place for address, place in places.items()}


def _place(address: str) -> str:
    """Return where the copy of an address stands below the folder. Raises `RecipeError` if no file may be there."""
    place = _REVISION.sub("", address).replace("://", "/").replace(":", "_")
    if fault := fault_of(place):
        raise RecipeError(f"The recipe names '{address}', which {fault}.")
    return place
