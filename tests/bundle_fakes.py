"""Bundles made by hand, in milliseconds: of a model that answers, and with whatever somebody may do to one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from copydesk.bundle import Bundle, Layout, Settings, open_bundle, write_bundle
from copydesk.files import write_json
from copydesk.models.keywords import Keyword, KeywordsModel
from copydesk.recipe import parse_recipe
from copydesk.types import Report

SETTINGS = Settings("single", ("a", "b"), "keywords", ("text",), ("spaces",), 1.5)


def plain_bundle(path: Path) -> Bundle:
    """Write a bundle of two keywords: `a` speaks for the label a, `b` for b."""

    def fill(layout: Layout) -> Settings:
        keywords = [Keyword(word, place) for place, word in enumerate(SETTINGS.labels)]
        KeywordsModel(keywords, 2, "softmax").save(layout.model)
        write_json(layout.report, {"task": "single", "model": "keywords", "n": 0, "metrics": {}})
        return SETTINGS

    return write_bundle(path, recipe=parse_recipe({"name": "toy"}), facts={"data": "abc"}, fill=fill)


def numbered_bundle(path: Path, number: int) -> Bundle:
    """Write such a bundle with a whole report, by which those of other numbers differ from it."""
    bundle = plain_bundle(path)
    report = Report("single", "keywords", number, {"accuracy": 1.0}, {}, {}, [], None, None, [], {})
    put(bundle, bundle.layout.report.name, json.dumps(report.to_json()).encode())
    return open_bundle(path)


def rewrite(bundle: Bundle, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a bundle's manifest in place."""
    manifest = json.loads(bundle.layout.manifest.read_text())
    change(manifest)
    bundle.layout.manifest.write_text(json.dumps(manifest))


def put(bundle: Bundle, name: str, content: bytes) -> None:
    """Write a file into a bundle, and into its manifest: whoever makes a bundle can make it agree with itself."""
    (bundle.path / name).parent.mkdir(parents=True, exist_ok=True)
    (bundle.path / name).write_bytes(content)
    facts = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    rewrite(bundle, lambda manifest: manifest["files"].update({name: facts}))
