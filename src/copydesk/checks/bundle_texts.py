"""Texts of the data that stand word for word in a bundle's readable files: the report shows some, a model card might.

Weights are not read, and a tokenizer's vocabulary holds single words. A text of few words is no trace of a person.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence

from copydesk.bundle import Bundle
from copydesk.normalise import COLUMN_SEPARATOR

_READABLE = (".json", ".html", ".md", ".yaml", ".txt")
_MOST_BYTES = 50_000_000
_LEAST_CHARACTERS = 25


def texts_in_bundle(bundle: Bundle, texts: Sequence[str]) -> int:
    """Return how many different texts stand in the bundle's files as they are, as JSON or as HTML writes them."""
    layout = bundle.layout
    files = [path for path in layout.files() if path.suffix in _READABLE and layout.model not in path.parents]
    files = [path for path in files if path.stat().st_size <= _MOST_BYTES]
    content = "\n".join(path.read_text("utf-8", "replace") for path in files)
    wanted = {part for text in texts for part in text.split(COLUMN_SEPARATOR) if len(part) >= _LEAST_CHARACTERS}
    return sum(any(form in content for form in _forms(text)) for text in wanted)


def _forms(text: str) -> set[str]:
    return {text, json.dumps(text, ensure_ascii=False)[1:-1], html.escape(text)}
