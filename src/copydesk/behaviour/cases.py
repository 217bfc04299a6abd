"""Cases: one question to a model, with how its answer is judged.

The three kinds are those of Ribeiro et al. 2020, CheckList: minimum functionality (MFT), a text that must get an
answer; invariance (INV), a change that must leave the answer; direction (DIR), a change after which a score must not
go the wrong way. A case does not know which model is asked, nor how its texts were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from copydesk.tasks import Wanted
from copydesk.types import Label

Kind = Literal["MFT", "INV", "DIR"]
DEFAULT_TOLERANCE = 0.05


@dataclass(frozen=True)
class Move:
    """Where a label's score must go: up (1) or down (-1), by at least so much.

    Below zero, `least` is how far it may go the other way.
    """

    label: str
    sign: int
    least: float = -DEFAULT_TOLERANCE


@dataclass(frozen=True)
class Case:
    """A text, and after a change `changed`; with `wanted` an MFT, with a `move` a DIR, else an INV."""

    text: str
    changed: str = ""
    wanted: tuple[Wanted, ...] = ()
    move: Move | None = None

    @property
    def kind(self) -> Kind:
        """Which kind of test it is."""
        return "MFT" if self.wanted else "DIR" if self.move else "INV"


@dataclass(frozen=True)
class Asked:
    """A behaviour's cases, and how many texts there were to which its change could not be applied."""

    name: str
    kind: Kind
    capability: str
    required: float
    cases: Sequence[Case]
    skipped: int = 0


@dataclass(frozen=True)
class Base:
    """A text that cases are made of, with its label where that is known."""

    text: str
    label: Label | None = None
