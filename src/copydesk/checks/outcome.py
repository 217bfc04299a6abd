"""What a check is, what it found, and what became of it. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Section = Literal["data", "model", "infrastructure", "monitoring"]
SECTIONS: tuple[Section, ...] = ("data", "model", "infrastructure", "monitoring")
Status = Literal["passed", "failed", "manual", "skipped"]


@dataclass(frozen=True)
class Finding:
    """What an executed check measured, on how many things (`n`), and whether that is good enough.

    `evidence` is a line for people, `threshold` what was needed, `figures` the numbers behind both.
    """

    holds: bool
    evidence: str
    n: int
    threshold: str
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What became of one check: passed or failed with evidence, noted as done by hand, or skipped with the reason.

    `number` counts within the section, as in the paper. `seconds` is how long it ran.
    """

    id: str
    section: Section
    number: int
    title: str
    status: Status
    evidence: str
    n: int = 0
    threshold: str = ""
    figures: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)
