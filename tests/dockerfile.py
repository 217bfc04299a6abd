"""Dockerfiles as instructions by stage, with their arguments' defaults put in."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DOCKERFILE = Path(__file__).parent.parent / "deploy" / "Dockerfile"


@dataclass(frozen=True)
class Stage:
    """One FROM: what it begins with, and its instructions in order."""

    name: str
    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def last(self, instruction: str) -> str | None:
        """Return what the last instruction of a kind says, None where there is none."""
        return next((text for name, text in reversed(self.instructions) if name == instruction), None)


def read_dockerfile(file: Path = DOCKERFILE) -> dict[str, Stage]:
    """Return the stages by name."""
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", file.read_text("utf-8"), flags=re.MULTILINE)).splitlines()
    stages: dict[str, Stage] = {}
    before: dict[str, str] = {}
    for line in filter(str.strip, lines):
        name, _, text = line.strip().partition(" ")
        if name == "ARG" and not stages:
            key, _, value = text.partition("=")
            before[key] = value
        elif name == "FROM":
            base, _, stage = text.partition(" AS ")
            for key, value in before.items():
                base = base.replace(f"${{{key}}}", value)
            stages[stage.strip()] = Stage(stage.strip(), base.strip())
        else:
            stages[[*stages][-1]].instructions.append((name, text.strip()))
    return stages


def inherited(stages: dict[str, Stage], name: str, instruction: str) -> str | None:
    """Return what an image's last instruction of a kind says: its own, or that of the stage it is made from."""
    stage = stages[name]
    own = stage.last(instruction)
    return inherited(stages, stage.base, instruction) if own is None and stage.base in stages else own


def words(text: str | None) -> list[str]:
    """Return an instruction in exec form as words. Raises `ValueError` for one that a shell would read."""
    found: Any = json.loads(text or "[]")
    return [str(word) for word in found]
