"""The pages of the documents, and their code blocks as values.

A block is a fence with a language: `bash` (commands without a prompt sign, run in order, in one folder for the page),
`text` (output or a tree, not run), `python` (run), `yaml`, `json`, `toml`, `sql` (checked). It knows nothing of what a
page needs beforehand: that is `needs`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parent.parent.parent
LANGUAGES = ("bash", "text", "python", "yaml", "json", "toml", "sql")
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md") if path.name != "LOG.md")]
"""All pages but the log, which tells of what was once run elsewhere."""


@dataclass(frozen=True)
class Block:
    """A code block of a page, the number of its fence's line, and whether it is a fence or merely indented."""

    page: str
    line: int
    language: str
    text: str
    is_fence: bool = True

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"


@cache
def blocks(page: str) -> tuple[Block, ...]:
    """Return a page's code blocks in order."""
    return tuple(blocks_of((ROOT / page).read_text("utf-8"), page))


def every_block(*languages: str) -> list[Block]:
    """Return the blocks of all pages, or those in some languages."""
    return [block for page in PAGES for block in blocks(page) if not languages or block.language in languages]


def blocks_of(text: str, page: str) -> Iterator[Block]:
    """Yield the code blocks of a Markdown text."""
    for token in _tokens(text):
        if token.type in ("fence", "code_block"):
            line = token.map[0] + 1 if token.map else 0
            yield Block(page, line, token.info, token.content, token.type == "fence")


@cache
def spans(page: str) -> tuple[tuple[int, str], ...]:
    """Return what stands between backticks in a page's prose and tables, with its line or its paragraph's first."""
    found = []
    for token in _tokens((ROOT / page).read_text("utf-8")):
        line = token.map[0] + 1 if token.map else 0
        found += [(line, part.content) for part in token.children or [] if part.type == "code_inline"]
    return tuple(found)


def _tokens(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)
