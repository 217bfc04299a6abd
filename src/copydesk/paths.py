"""Names that somebody else wrote, before they become a path: those of a manifest, those of an archive.

It knows what a name may be made of, and whether a link is on the way; not whether what it leads to is right.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

_LONGEST = 1_000
_FOREIGN = {"\\": "a backslash, which parts folders on Windows", ":": "a colon, which names drives on Windows"}


def fault_of(name: str) -> str:
    """Return why a name may not lead to a file below a folder; "" where it may, on any system."""
    if not name or len(name) > _LONGEST:
        return f"is {len(name):,} characters long, not 1 to {_LONGEST:,}"
    if not name.isprintable():
        return "holds a character that cannot be printed"
    for character, what in _FOREIGN.items():
        if character in name:
            return f"holds {what}"
    parts = name.split("/")
    if name.startswith("/") or ".." in parts:
        return "lies outside the folder"
    if PurePosixPath(name).as_posix() != name or name == ".":
        return "is not written plainly"
    if any(part != part.strip() or part.endswith(".") for part in parts):
        return "has a part that begins or ends with a space, or ends with a dot"
    return ""


def link_on_the_way(folder: Path, name: str) -> Path | None:
    """Return the first link between a folder and a file below it, the file included; None where there is none."""
    path = folder
    for part in name.split("/"):
        path = path / part
        if path.is_symlink():
            return path
    return None
