"""A labelling file that was read -> its voters, and its cues."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from copydesk.errors import RecipeError
from copydesk.labelling.cues import Cue
from copydesk.labelling.negation import Negations, Spoken, known_negations
from copydesk.labelling.patterns import PatternVoter
from copydesk.labelling.rules import Rule, RuleFile, read_rule_file, require_fits, rules_in
from copydesk.labelling.similar import SimilarFunction, SimilarVoter
from copydesk.labelling.voters import Vote, Voter
from copydesk.labelling.words import Word, WordFunction, WordVoter
from copydesk.models.keyword_file import DEFAULT_SCORE, Vocabulary, entries_of, phrases_in, score_in
from copydesk.recipe import Model


@dataclass(frozen=True)
class LabellingFile:
    """What a file says, its rules by name, and its negation words by language."""

    path: str
    said: RuleFile
    rules: Mapping[str, Rule]
    negations: Mapping[str, Negations]

    @classmethod
    def read(cls, path: str) -> LabellingFile:
        """Read a labelling file, or a keyword file as one. Raises `RecipeError`."""
        said = read_rule_file(path)
        own = {language: Negations(before=words) for language, words in said.negation.words.items()}
        return cls(path, said, rules_in(said, path), {**known_negations(), **own})

    def labels(self) -> Iterator[str]:
        """Yield every label that the file names."""
        for rule in self.rules.values():
            yield from (label for label in (rule.label, rule.negated) if isinstance(label, str))
        for groups in self.said.keywords.values():
            yield from map(str, groups or ())

    def voters(self, vocabulary: Vocabulary, model: Model) -> list[Voter]:
        """Return what votes; `model` names the encoder. Raises `RecipeError` for what the task or the labels forbid."""
        for name, rule in self.rules.items():
            require_fits(rule, vocabulary, self._where(name))
        by_column: dict[str | None, list[WordFunction]] = defaultdict(list)
        for name, rule in self.rules.items():
            if rule.words:
                by_column[rule.column].append(self._word_function(name, rule))
        by_column[None] += self._keyword_functions(vocabulary)
        voters: list[Voter] = [
            WordVoter(functions, self.negations, column) for column, functions in by_column.items() if functions
        ]
        voters += [
            PatternVoter(_vote(name, rule, vocabulary), rule.regex, rule.column)
            for name, rule in self.rules.items()
            if rule.regex
        ]
        similar = [
            SimilarFunction(_vote(name, rule, vocabulary), rule.similar, rule.threshold)
            for name, rule in self.rules.items()
            if rule.similar
        ]
        return [*voters, SimilarVoter(similar, model)] if similar else voters

    def cues(self) -> list[tuple[str, Spoken[Cue]]]:
        """Return the words that say how strong impacts are, and in which direction. Raises `RecipeError`."""
        polarity, where = self.said.polarity, f"Labelling file '{self.path}'"
        found = [
            (phrase, Spoken(Cue(direction=direction), language, self.said.negation.window))
            for direction, lists in ((1, polarity.positive), (-1, polarity.negative))
            for language, words in self.said.by_language(lists)
            for phrase, _ in phrases_in(words, f"{where}, polarity")
        ]
        severity = self.said.severity
        nested = bool(severity) and all(isinstance(words, dict) for words in severity.values())
        for language, words in severity.items() if nested else [(self.said.language, severity)]:
            for phrase, strength in words.items():
                cue = Cue(severity=score_in(strength, f"{where}, severity.{phrase}", least=0))
                found.append((str(phrase), Spoken(cue, language, self.said.negation.window)))
        return found

    def _where(self, name: str) -> str:
        return f"Labelling file '{self.path}', functions.{name}"

    def _word_function(self, name: str, rule: Rule) -> WordFunction:
        where = self._where(name)
        window = self.said.negation.window if rule.negation is None else rule.negation
        words = [
            Word(phrase, language, _own(rule.score, own), rule.tag)
            for language, listed in self.said.by_language(rule.words)
            for phrase, own in phrases_in(listed, where)
        ]
        self._require_negations(words, window, where)
        return WordFunction(name, rule.label, words, rule.vote, window, rule.negated)

    def _keyword_functions(self, vocabulary: Vocabulary) -> list[WordFunction]:
        """Return one function for each label of the keywords, named by the file and the label."""
        if not self.said.keywords:
            return []
        words: dict[str, list[Word]] = defaultdict(list)
        where, window = f"Keyword file '{self.path}'", self.said.negation.window
        for entry in entries_of(self.said.keywords, vocabulary, where):
            words[entry.label].append(Word(entry.phrase, entry.language, entry.score, entry.tag))
        for of_label in words.values():
            self._require_negations(of_label, window, where)
        return [
            WordFunction(f"{Path(self.path).stem}/{label}", label, of_label, window=window)
            for label, of_label in words.items()
        ]

    def _require_negations(self, words: Sequence[Word], window: int, where: str) -> None:
        """Raise `RecipeError` if words shall be negated in a language whose negation words are not known."""
        unknown = sorted({word.language for word in words} - self.negations.keys())
        if window and unknown:
            raise RecipeError(
                f"{where}: no negation words are known for language {unknown[0]!r}, only for "
                f"{', '.join(sorted(self.negations))}. List them: negation: {{window: {window}, words: "
                f"{{{unknown[0]}: […]}}}}."
            )


def _own(score: float | None, own: float | None) -> float:
    return own if own is not None else DEFAULT_SCORE if score is None else score


def _vote(name: str, rule: Rule, vocabulary: Vocabulary) -> Vote:
    score = _own(rule.score, None) if vocabulary.task == "signals" else None
    return Vote(0, name, rule.label, rule.vote, score, rule.tag)
