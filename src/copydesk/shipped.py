"""Files that come with Copydesk: the repository's own in a checkout, copies inside the package where installed."""

from __future__ import annotations

from pathlib import Path

from copydesk.errors import CopydeskError


def shipped(name: str) -> Path:
    """Return a file or folder that comes with Copydesk: `recipes`, `deploy`, `constraints.txt`, or what is in them.

    Raises `CopydeskError` if it is not there: then the installation lacks files.
    """
    here = Path(__file__).parent
    places = (here / name, here.parent.parent / name)  # installed, or a checkout
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise CopydeskError(f"Copydesk's own '{name}' is missing in '{here}'. Install it again: pip install copydesk")
    return found
