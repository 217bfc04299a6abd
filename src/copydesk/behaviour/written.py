"""A behaviour that was written in YAML -> cases, and the training rows that would teach it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from copydesk.behaviour.cases import Asked, Base, Case, Move
from copydesk.behaviour.chance import chance_for, in_order, is_taught
from copydesk.behaviour.change import Change
from copydesk.behaviour.changes import change_of
from copydesk.behaviour.expected import lessons_label, wanted_of
from copydesk.behaviour.file import Behaviour
from copydesk.behaviour.templates import Template, fillings, joined, template_of
from copydesk.behaviour.words import Words
from copydesk.data.label_kinds import LabelKind
from copydesk.data.labels import LABELS
from copydesk.recipe import Recipe
from copydesk.tasks import Wanted
from copydesk.types import Label

_BASES_PER_CASE = 3
"""So many fillings are tried for each case that a change shall give."""


@dataclass(frozen=True)
class Lesson:
    """A text that would teach a behaviour, with the label it has."""

    text: str
    label: Label
    behaviour: str


@dataclass(frozen=True)
class WrittenBehaviour:
    """A behaviour of a suite's file, its templates and changes read and found right."""

    name: str
    said: Behaviour
    words: Words
    templates: Sequence[Template]
    texts: Sequence[str]
    pairs: Sequence[tuple[str, str]]
    wanted: tuple[Wanted, ...]
    label: Label | None
    changes: Sequence[Change]
    kind: LabelKind[Any]
    where: str

    @classmethod
    def read(cls, name: str, said: Behaviour, words: Words, recipe: Recipe, path: str) -> WrittenBehaviour:
        """Read what the file says of it. Raises `RecipeError` naming the place that is wrong."""
        where = f"Behaviours file '{path}', behaviours.{name}"
        slots: Mapping[str, Sequence[str]] = {slot: words.named(listed, where) for slot, listed in said.slots.items()}
        columns = recipe.text
        return cls(
            name,
            said,
            words,
            [template_of(template, slots, words, columns, where) for template in said.templates],
            [joined(text, columns, where) for text in said.texts],
            [(joined(first, columns, where), joined(second, columns, where)) for first, second in said.pairs],
            wanted_of(said.expect, recipe, where),
            lessons_label(said, recipe, where),
            [change_of(change, words, where) for change in said.change],
            LABELS[recipe.task],
            where,
        )

    @property
    def move(self) -> Move | None:
        """Where a score must go, for a DIR."""
        if self.said.moves is None:
            return None
        moves = self.said.moves
        return Move(moves.score_of, 1 if moves.to == "up" else -1, moves.at_least or -moves.tolerance)

    @cached_property
    def taught_changes(self) -> list[Change]:
        """The changes with the words of their lists that are for teaching."""
        return [change_of(change, replace(self.words, taught=True), self.where) for change in self.said.change]

    def asked(self, real: Sequence[Base], seed: int) -> Asked:
        """Return its cases. `real` are the texts that were handed in."""
        salt = (seed, self.said.seed, self.name)
        cases, skipped = self._cases(real, salt)
        return Asked(self.name, self.said.kind, self.said.capability, self.said.required, cases, skipped)

    def _cases(self, real: Sequence[Base], salt: tuple[object, ...]) -> tuple[list[Case], int]:
        most = self.said.cases
        if self.wanted:
            texts = [*self.texts, *fillings(self.templates, most, *salt)]
            return [Case(text, wanted=self.wanted) for text in in_order(texts, *salt)[:most]], 0
        if self.pairs:
            return [Case(first, second, move=self.move) for first, second in self.pairs][:most], 0
        cases: list[Case] = []
        skipped = 0
        for base in self._bases(real, salt, taught=False):
            changed = list(_changed(base.text, self.changes, salt))
            skipped += not changed
            cases += [Case(base.text, text, move=self.move) for text in changed[: most - len(cases)]]
            if len(cases) >= most:
                break
        return cases, skipped

    def _bases(self, real: Sequence[Base], salt: tuple[object, ...], *, taught: bool) -> list[Base]:
        """Return the texts that are changed, in an order that depends on the seed alone."""
        labels = {base.text: base.label for base in real if self._takes(base) and is_taught(base.text) == taught}
        own = fillings(self.templates, _BASES_PER_CASE * self.said.cases, *salt, taught=taught)
        own += [] if taught else list(self.texts)
        return [Base(text, labels.get(text)) for text in in_order([*own, *labels], *salt)]

    def _takes(self, base: Base) -> bool:
        data = self.said.data
        return data if isinstance(data, bool) else any(label in self._names(base) for label in data)

    def _names(self, base: Base) -> tuple[str, ...]:
        return () if base.label is None else self.kind.present(base.label)

    def lessons(self, real: Sequence[Base], seed: int) -> Iterator[Lesson]:
        """Yield training rows that would teach it, none of which is ever asked about, where their label is known."""
        salt = (seed, self.said.seed, self.name, "taught")
        if self.wanted and self.label is not None:
            for text in fillings(self.templates, self.said.cases * _BASES_PER_CASE, *salt, taught=True):
                yield Lesson(text, self.label, self.name)
        elif not self.wanted and not self.pairs:
            for base in self._bases(real, salt, taught=True):
                label = self._label_after(base)
                if label is not None:
                    for text in _changed(base.text, self.taught_changes, salt):
                        yield Lesson(text, label, self.name)

    def _label_after(self, base: Base) -> Label | None:
        """Return the label of a changed text: what the file says, or the base's, where the change cannot turn it."""
        if self.label is not None:
            return self.label
        move = self.move
        stays = move is None or (base.label is not None and (move.label in self._names(base)) == (move.sign > 0))
        return base.label if stays else None


def _changed(text: str, changes: Sequence[Change], salt: tuple[object, ...]) -> Iterator[str]:
    """Yield what the changes make of a text, in an order by chance; a change that does not apply yields nothing."""
    order = chance_for(*salt, text).sample(list(changes), len(changes))
    found = (change(text, chance_for(*salt, change.name, text)) for change in order)
    return iter(dict.fromkeys(changed for changed in found if changed is not None and changed != text))
