"""The one picture of the whole, as SVG: what becomes of texts, and how a model comes back to be trained anew.

It has its own paper, so that it can be read on a light and on a dark page alike, whichever of them the reader chose.
"""

from __future__ import annotations

from collections.abc import Iterator

_WIDTH, _HEIGHT, _STEP = 150, 62, 184
_LEFT, _TOPS = 20, (58, 186, 314)
_ROWS = (
    "DATA, TRAIN: one recipe, from texts to a bundle",
    "TRUST: measured before it answers anybody",
    "SERVE, MONITOR: and back again",
)
_BOXES = (
    (
        ("collect", "files, buckets, GDELT"),
        ("label · review", "rules that vote, people"),
        ("prepare", "clean, dedupe, split"),
        ("train", "linear, encoder, cascade"),
    ),
    (
        ("registry", "alias: production"),
        ("promote", "the gate measures"),
        ("register", "a version, verified"),
        ("evaluate · check", "report, 28 checks"),
    ),
    (
        ("serve · score", "API, page, jobs, files"),
        ("prediction log", "no text unless allowed"),
        ("monitor", "drift, accuracy, alarms"),
        ("queue · review", "what is worth a label"),
    ),
)
_KEY = ("promote", "registry")
_TITLE = (
    "Texts are collected, labelled and prepared; a model is trained, checked, registered, and promoted by the gate; "
    "the registry's production is served, its answers are logged and monitored; what is worth a label is reviewed, and "
    "the model is trained anew."
)
_STYLE = """
    .paper { fill: #fdfcfa; stroke: #dcd8cf } .box { fill: #f5f3ee; stroke: #8c877d } .key { fill: #0b655c }
    .line { fill: none; stroke: #625e57; stroke-width: 1.5 } .back { fill: none; stroke: #9c3f10; stroke-width: 1.5 }
    .tip { fill: #625e57 } .back-tip { fill: #9c3f10 }
    text { fill: #1d1c1a; text-anchor: middle;
      font: 600 15px system-ui, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif }
    .sub { fill: #625e57; font-size: 11.5px; font-weight: 400 }
    .note { fill: #9c3f10; font-size: 12px; text-anchor: end }
    .row { fill: #625e57; font-size: 12px; text-anchor: start; letter-spacing: .04em }
    .on { fill: #fdfcfa } .on-sub { fill: #d9ebe8; font-size: 11.5px; font-weight: 400 }
    @media (prefers-color-scheme: dark) {
      .paper { fill: #171716; stroke: #3a3833 } .box { fill: #21201e; stroke: #78736a } .key { fill: #6fcdbf }
      .line { stroke: #a8a39a } .tip { fill: #a8a39a } .back { stroke: #f2a878 } .back-tip { fill: #f2a878 }
      text { fill: #ece9e3 } .sub, .row { fill: #a8a39a } .note { fill: #f2a878 }
      .on { fill: #10201d } .on-sub { fill: #24423d }
    }
"""


def architecture_picture() -> str:
    """Return the picture."""
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 400" role="img" aria-labelledby="title">',
            "  <!-- Made by docs/architecture_picture.py (make reference). -->",
            f'  <title id="title">{_TITLE}</title>',
            f"  <style>{_STYLE}  </style>",
            f"  <defs>{_tip('tip')}{_tip('back-tip')}</defs>",
            '  <rect class="paper" x=".5" y=".5" width="759" height="399" rx="10"/>',
            *_boxes(),
            *_lines(),
            "</svg>\n",
        ]
    )


def _tip(name: str) -> str:
    size = 'viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"'
    return f'<marker id="{name}" {size}><path class="{name}" d="M0 0 8 4 0 8z"/></marker>'


def _boxes() -> Iterator[str]:
    for top, title, row in zip(_TOPS, _ROWS, _BOXES, strict=True):
        left = _LEFT + (top == _TOPS[-1]) * (_WIDTH // 2 + 14)  # a line comes down beside the last one
        yield f'  <text class="row" x="{left}" y="{top - 14}">{title}</text>'
        for place, (name, below) in enumerate(row):
            left = _LEFT + place * _STEP
            box, text, sub = ("key", "on", "on-sub") if name in _KEY else ("box", "name", "sub")
            middle = left + _WIDTH // 2
            yield f'  <rect class="{box}" x="{left}" y="{top}" width="{_WIDTH}" height="{_HEIGHT}" rx="7"/>'
            yield f'  <text class="{text}" x="{middle}" y="{top + 27}">{name}</text>'
            yield f'  <text class="{sub}" x="{middle}" y="{top + 46}">{below}</text>'


def _lines() -> Iterator[str]:
    first, second, third = (top + _HEIGHT // 2 for top in _TOPS)
    last, half = _LEFT + 3 * _STEP, _WIDTH // 2
    for place in range(3):
        left = _LEFT + place * _STEP
        yield _line(f"M{left + _WIDTH} {first}H{left + _STEP - 2}")
        yield _line(f"M{left + _STEP} {second}H{left + _WIDTH + 2}")
        yield _line(f"M{left + _WIDTH} {third}H{left + _STEP - 2}")
    yield _line(f"M{last + half} {_TOPS[0] + _HEIGHT}V{_TOPS[1] - 2}")
    yield _line(f"M{_LEFT + half} {_TOPS[1] + _HEIGHT}V{_TOPS[2] - 2}")
    yield _line(f"M{last + _WIDTH} {third}h8a8 8 0 0 0 8-8V{first + 8}a8 8 0 0 0-8-8h-6", "back")
    yield f'  <text class="note" x="{last + _WIDTH + 4}" y="{_TOPS[2] - 14}">retrain</text>'


def _line(path: str, kind: str = "line") -> str:
    tip = "tip" if kind == "line" else "back-tip"
    return f'  <path class="{kind}" marker-end="url(#{tip})" d="{path}"/>'
