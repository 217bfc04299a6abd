"""Templates to pages that stand alone: jinja2 with the filters by which every page writes figures and texts.

A figure that is unknown, or is not a number, is a dash. It does not know what a page is about.
"""

from __future__ import annotations

import math
import re
from functools import cache
from typing import TYPE_CHECKING

from copydesk import __version__
from copydesk.errors import MissingExtra

if TYPE_CHECKING:
    from jinja2 import Environment

DASH = "–"
TEXT_CHARS = 280
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f]")


def rendered(template: str, **values: object) -> str:
    """Return a template's page as text that can be written; `version` is Copydesk's. Raises `MissingExtra`."""
    page = _environment().get_template(template).render(version=__version__, **values)
    return page.strip().encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair must not stop the page


@cache
def _environment() -> Environment:
    """Return what compiles a template once for all pages of a process: that takes longer than a page."""
    try:
        import jinja2
    except ImportError:
        raise MissingExtra("The report's page", "train", "jinja2") from None
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("copydesk"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "figure": _figure,
        "signed": _signed,
        "percent": _percent,
        "unit": _unit,
        "shown": shown_text,
        "words": words,
    }
    return environment


def shown_text(value: object) -> str:
    """Return a text as the page shows it: columns joined by a dot, one line, no control characters, cut if long."""
    text = " ".join(_UNSEEN.sub(" ", str(value).replace("\x1f", " · ")).split())
    return text if len(text) <= TEXT_CHARS else text[: TEXT_CHARS - 1].rstrip() + "…"


def words(name: str) -> str:
    """Turn a key into words: `learning_rate` is "learning rate"."""
    return shown_text(name.replace("_", " "))


def is_finite(value: object) -> bool:
    """Tell whether a value is a number that can be shown."""
    return isinstance(value, int | float) and math.isfinite(value)


def _figure(value: float | None, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if value is not None and is_finite(value) else DASH


def _signed(value: float, digits: int = 4) -> str:
    rounded = f"{abs(value):.{digits}f}"
    sign = "±" if float(rounded) == 0 else "+" if value > 0 else "−"
    return sign + rounded


def _percent(share: float | None, digits: int = 0) -> str:
    return f"{share:.{digits}%}".replace("%", "\u00a0%") if share is not None and is_finite(share) else DASH


def _unit(value: float | None, unit: str) -> str:
    """Return a figure with its unit; long times in minutes or hours."""
    if value is None or not is_finite(value):
        return DASH
    if unit == "s" and value >= 60:
        minutes, seconds = divmod(round(value), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
    return f"{value:,.0f}\u00a0{unit}" if abs(value) >= 100 else f"{value:.3g}\u00a0{unit}"
