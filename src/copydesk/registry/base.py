"""What a registry of models does, whoever keeps it: MLflow, the Hugging Face Hub, Weights & Biases.

A version is a bundle under a name with a number, counted from 1, and never changes; it is registered whole or not at
all. An alias (`staging`, `production`) leads to one version and moves; every move, and every refused one, is a line of
the model's history, oldest first. An alias moves only if it still leads where the mover believed: of two who move it at
once, one is told.

Pure values and one protocol. What may be done with them, `moves.py` says; how a reference such as
`models:/clickbait@production` becomes a folder, `references.py`, which makes a registry from the place that a
reference names: `Mlflow("")`, `Hub("OWNER")`, `Wandb("ENTITY/PROJECT")`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from copydesk.bundle import Bundle

PRODUCTION, STAGING = "production", "staging"

Action = Literal["registered", "promoted", "forced", "refused", "rolled back", "pointed"]
"""`forced`: promoted although the gate refused; `pointed`: an alias other than production was set."""


@dataclass(frozen=True)
class Facts:
    """Where a version comes from. Times are ISO 8601 in UTC.

    `digest` is the bundle's (`Bundle.digest`); `data` the content hash of the Dataset it was trained on; `commit` the
    git commit of the working folder, with `+` behind it if files were changed, empty outside of git.
    """

    digest: str
    data: str
    commit: str
    by: str
    created: str
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Registered:
    """One version of a model, and the aliases that lead to it now."""

    name: str
    version: int
    facts: Facts
    aliases: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the version as plain JSON values, its facts among them."""
        return {"name": self.name, "version": self.version, "aliases": list(self.aliases), **asdict(self.facts)}


@dataclass(frozen=True)
class Change:
    """One line of a model's history.

    `before` is where the alias led until then; None: nowhere. `test` is the content hash of the test texts that
    decided, so that it can be counted how often the same texts did; empty where none did.
    """

    action: Action
    version: int
    by: str
    at: str
    alias: str = ""
    before: int | None = None
    reason: str = ""
    test: str = ""


class Registry(Protocol):
    """Keeps versions of models. Every method raises `RegistryError` if the registry does not answer."""

    def names(self) -> list[str]:
        """Return the models that have a version, by alphabet."""
        ...

    def add(self, bundle: Bundle, name: str, facts: Facts) -> Registered:
        """Keep a bundle as the next version, whole or not at all.

        One of the same digest that is there already is returned as it is, with the facts it was registered with. It
        adds no line to the history: the versions themselves say who registered them and when (`moves.account`).
        """
        ...

    def versions(self, name: str) -> list[Registered]:
        """Return a model's versions, the newest first. Raises `RegistryError` if there is no such model."""
        ...

    def find(self, name: str, which: int | str) -> Registered:
        """Return the version of a number or an alias. Raises `RegistryError` naming what there is."""
        ...

    def download(self, version: Registered, folder: Path) -> None:
        """Fill an empty folder with the bundle's files, not verified yet."""
        ...

    def point(self, name: str, change: Change) -> None:
        """Let the change's alias lead to its version, and add the change to the history.

        Raises `Stale` if the alias does not lead to `change.before` any more, `RegistryError` if there is no such
        version.
        """
        ...

    def note(self, name: str, change: Change) -> None:
        """Add a change that moves no alias, such as a refused promotion, to the history."""
        ...

    def history(self, name: str) -> list[Change]:
        """Return what `point` did and `note` noted, oldest first; a move that was begun and never done is left out."""
        ...

    def attach(self, version: Registered, kind: str, content: dict[str, Any]) -> None:
        """Keep a JSON object beside a version, under a kind such as `checks`; a later one replaces it."""
        ...

    def attached(self, version: Registered, kind: str) -> dict[str, Any] | None:
        """Return what was attached under this kind, or None."""
        ...
