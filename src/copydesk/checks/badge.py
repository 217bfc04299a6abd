"""The score as a small SVG: two fields of text, coloured by what the score means. No font or address from outside."""

from __future__ import annotations

from xml.sax.saxutils import escape

from copydesk.checks.score import FULL

LABEL = "ML Test Score"
_CHARACTER, _MARGIN = 6.6, 8
_COLOURS = ((1.0, "#b3261e"), (2.0, "#a84b00"), (3.0, "#7a6200"), (5.0, "#2f6f1f"))
_BEST = "#0b655c"
"""White text on each of them has a contrast of more than 4.5 to 1."""
_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" viewBox="0 0 {width} 20" role="img" \
aria-labelledby="copydesk-badge">
<title id="copydesk-badge">{title}</title>
<clipPath id="copydesk-round"><rect width="{width}" height="20" rx="4"/></clipPath>
<g clip-path="url(#copydesk-round)"><rect width="{left}" height="20" fill="#3c3a36"/>\
<rect x="{left}" width="{right}" height="20" fill="{colour}"/></g>
<g fill="#fff" font-family="Verdana, DejaVu Sans, Geneva, sans-serif" font-size="11" text-anchor="middle">
<text x="{left_middle}" y="14" textLength="{left_text}">{label}</text>
<text x="{right_middle}" y="14" textLength="{right_text}" font-weight="bold">{value}</text>
</g>
</svg>
"""


def badge_svg(score: float) -> str:
    """Return the badge of a score from 0 to 7."""
    value = f"{score:g}"
    left_text, right_text = round(len(LABEL) * _CHARACTER), round(len(value) * _CHARACTER * 1.1)
    left, right = left_text + 2 * _MARGIN, right_text + 2 * _MARGIN
    return _SVG.format(
        width=left + right,
        left=left,
        right=right,
        left_text=left_text,
        right_text=right_text,
        left_middle=left / 2,
        right_middle=left + right / 2,
        colour=next((colour for most, colour in _COLOURS if score <= most), _BEST),
        title=escape(f"{LABEL}: {value} of {FULL}"),
        label=escape(LABEL),
        value=escape(value),
    )
