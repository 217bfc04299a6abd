"""Labelling files: labelling functions that need no code, in YAML.

    negation: 3                     how many words a negation word reaches; 0, the default: there is none
    functions:
      praise: {label: good, words: [great, loved it], negated: bad}
      stars: {label: good, regex: '[45] stars'}
      like: {label: bad, similar: [We waited an hour for cold food.], threshold: 0.4}
    keywords: {en: {good: [tasty]}} as in a keyword file: one function for each label
    severity: {killed: 0.9}         task `signals`: words that say how strong an impact is,
    polarity: {positive: [saved]}   and in which direction

It knows what such a file may say and what it may not; texts it does not see.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from copydesk.errors import RecipeError
from copydesk.models.keyword_file import Vocabulary, require_known
from copydesk.recipe.base import Section, as_list
from copydesk.recipe.mistakes import parsed
from copydesk.recipe.strict_yaml import read_yaml

_RESEMBLES = 0.8


def _by_language(value: Any) -> Any:  # noqa: ANN401 (YAML may hold anything here; pydantic judges the result)
    if isinstance(value, dict):
        return {language: as_list(words) for language, words in value.items()}
    return {_FILE: as_list(value)} if value else {}


def _window(value: Any) -> Any:  # noqa: ANN401 (the same)
    return value if isinstance(value, dict) else {"window": value}


_FILE = ""
"""The language of words that name none: the file's."""
Texts = Annotated[list[str], BeforeValidator(as_list)]
WordLists = Annotated[dict[str, list[Any]], BeforeValidator(_by_language)]
"""Words by language; what a list holds is checked where it is read."""


class Rule(Section):
    """One labelling function: what it votes for, and the one kind of evidence that it goes by."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    label: str
    vote: bool = True
    tag: str = ""
    score: Annotated[float, Field(ge=-1, le=1)] | None = None
    words: WordLists = {}
    regex: Texts = []
    similar: Texts = []
    threshold: float = Field(0.3, gt=0, le=1)
    column: str | None = None
    negation: int | None = Field(None, ge=0)
    negated: str | Literal[False] | None = None

    @model_validator(mode="after")
    def _one_kind_of_evidence(self) -> Rule:
        kinds = [name for name in ("words", "regex", "similar") if getattr(self, name)]
        if len(kinds) != 1:
            found = f"this has {' and '.join(kinds)}" if kinds else "this has none, or an empty one"
            raise ValueError(f"a labelling function has exactly one of words, regex and similar; {found}")
        only = {"threshold": "similar", "negation": "words", "negated": "words"}
        wrong = [key for key, kind in only.items() if key in self.model_fields_set and kind not in kinds]
        if wrong:
            raise ValueError(f"`{wrong[0]}` goes with {only[wrong[0]]}")
        if self.column is not None and self.similar:
            raise ValueError("`column` goes with words and regex; similarity is of the text")
        return self


class Negation(Section):
    """How many words a negation word reaches, and which words negate beside the known ones."""

    window: int = Field(0, ge=0)
    words: dict[str, Texts] = {}


class Polarity(Section):
    """Words that say in which direction an impact goes."""

    positive: WordLists = {}
    negative: WordLists = {}


class RuleFile(Section):
    """A labelling file. `functions` and `keywords` are checked piece by piece."""

    language: str = Field("en", description="The language of words that name none.")
    negation: Annotated[Negation, BeforeValidator(_window)] = Negation()
    functions: dict[str, Any] = {}
    keywords: dict[str, Any] = {}
    severity: dict[str, Any] = {}
    polarity: Polarity = Polarity()

    def by_language(self, lists: Mapping[str, list[Any]]) -> list[tuple[str, list[Any]]]:
        """Return lists of words with their languages."""
        return [(language or self.language, words) for language, words in lists.items()]


def read_rule_file(path: str | Path) -> RuleFile:
    """Read a labelling file, or a keyword file as one. Raises `RecipeError`."""
    value = read_yaml(path, "Labelling file")
    if not isinstance(value, dict) or not value:
        raise RecipeError(f"Labelling file '{path}' is empty: it needs `functions` or `keywords`.")
    if not _is_rule_file(value):
        return RuleFile(keywords={str(language): groups for language, groups in value.items()})
    read = parsed(RuleFile, value, f"Labelling file '{path}'")
    if not read.functions and not read.keywords and not read.severity and read.polarity == Polarity():
        raise RecipeError(f"Labelling file '{path}' is empty: it needs `functions` or `keywords`.")
    return read


def rules_in(file: RuleFile, path: str | Path) -> dict[str, Rule]:
    """Return the file's rules by name. Raises `RecipeError` naming the first that is wrong."""
    return {
        str(name): parsed(Rule, value, f"Labelling file '{path}', functions.{name}")
        for name, value in file.functions.items()
    }


def require_fits(rule: Rule, vocabulary: Vocabulary, where: str) -> None:
    """Raise `RecipeError` if the rule votes for an unknown label or tag, or says what is for other tasks."""
    task = vocabulary.task
    wrong = [
        (task == "single" and not rule.vote, "`vote: no` is for the tasks 'multi' and 'signals'"),
        (
            task == "single" and rule.negated is False,
            "`negated: no` is for the tasks 'multi' and 'signals'; name a label",
        ),
        (task != "signals" and bool(rule.tag), "`tag` is for task 'signals'"),
        (task != "signals" and rule.score is not None, "`score` is for task 'signals'"),
    ]
    for is_wrong, message in wrong:
        if is_wrong:
            raise RecipeError(f"{where}: {message}.")
    for label in (rule.label, rule.negated):
        if isinstance(label, str):
            require_known(label, vocabulary.labels or (), where)
    if rule.tag:
        require_known(rule.tag, (vocabulary.tags or {})[rule.label], where)


def _is_rule_file(value: Mapping[Any, Any]) -> bool:
    """Tell a labelling file, misspelt keys included, from a keyword file, whose keys are languages."""
    keys, groups = list(RuleFile.model_fields), value.values()
    if any(difflib.get_close_matches(str(key), keys, n=1, cutoff=_RESEMBLES) for key in value):
        return True
    return not all(isinstance(group, dict) and not isinstance(group.get("label"), str) for group in groups)
