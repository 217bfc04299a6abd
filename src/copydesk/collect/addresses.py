"""Addresses of articles: whether one can be opened as it stands, and what makes two of them the same article's."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_LEFTOVER = re.compile(r"""(?:\s|%20|%22|%27|["'<>])+(?:class|href|rel|style|target|title)=.*$""", re.IGNORECASE)
"""The rest of an HTML tag, taken along where somebody cut the address out of a page."""
_IMPOSSIBLE = re.compile(r"""[\s"<>\\\x00-\x1f\x7f]|%(?![0-9a-fA-F]{2})""")
_HOST = re.compile(r"[\w-]+(?:\.[\w-]+)+")
_TRACKING = re.compile(
    r"(?:utm_\w+|at_(?:campaign|medium|link_\w+|format|ptr_\w+|bbc_\w+)|mc_[ce]id|ns_\w+|fbclid|gclid|dclid|msclkid|igshid|"
    r"yclid|twclid|cmpid|ocid|smid|icid|intcmp|ref|ref_src|ref_url)(?:=.*)?",
    re.IGNORECASE,
)


def is_usable(url: str) -> bool:
    """Tell whether an address is one: http or https, a host, and nothing in it that no address has."""
    if _LEFTOVER.search(url) or _IMPOSSIBLE.search(url):
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(_HOST.fullmatch(parts.hostname or ""))


def key_of(url: str) -> str:
    """Return the address without what does not make it another article's.

    That is: scheme, `www.`, port, a final slash, what tells where a reader came from, fragment, leftovers of HTML.
    """
    url = _LEFTOVER.sub("", url.strip())
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return url
    query = "&".join(term for term in parts.query.split("&") if term and not _TRACKING.fullmatch(term))
    return f"{host}{parts.path.rstrip('/')}" + (f"?{query}" if query else "")
