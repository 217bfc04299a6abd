"""Which links the Markdown documents have, and which of them lead nowhere.

It knows files and headings. It does not know whether an address on the web answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^ *(`{3,}|~{3,}).*?^ *\1 *$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
_LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)|<(?:img|source)[^>]* src(?:set)?=\"([^\"]+)\"")
_HEADING = re.compile(r"^#{1,6} +(.+?)(?: +#+)? *$", re.MULTILINE)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:")


@dataclass(frozen=True)
class Link:
    """Where a document leads: a file as it is written there, and a heading in it, either of them perhaps empty."""

    path: str
    anchor: str

    def __str__(self) -> str:
        return f"{self.path}#{self.anchor}" if self.anchor else self.path


def prose(markdown: str) -> str:
    """Return a document without its blocks of code."""
    return _FENCE.sub("", markdown)


def links(markdown: str) -> Iterator[Link]:
    """Yield the links and pictures of a document that lead to files or headings, not to addresses."""
    for inline, picture in _LINK.findall(_CODE.sub("", prose(markdown))):
        target = inline or picture
        if not _ADDRESS.match(target):
            path, _, anchor = target.partition("#")
            yield Link(path, anchor)


def anchors(markdown: str) -> set[str]:
    """Return what a document's headings are called in addresses, as GitHub and the site both call them."""
    return {slug(heading) for heading in _HEADING.findall(prose(markdown))}


def slug(heading: str) -> str:
    """Return a heading in lower case, without marks, its spaces as hyphens."""
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", words).strip().lower().replace(" ", "-")


def broken(documents: Mapping[Path, str]) -> list[str]:
    """Return each link of the documents, by path, that leads to no file or to no heading of one."""
    found = {path.resolve(): anchors(text) for path, text in documents.items()}
    faults = []
    for path, text in documents.items():
        for link in links(text):
            target = (path.parent / link.path).resolve() if link.path else path.resolve()
            if not target.exists():
                faults.append(f"{path.name} links to {link}: no such file")
            elif link.anchor and link.anchor not in found.get(target, set()):
                faults.append(f"{path.name} links to {link}: no such heading")
    return faults
