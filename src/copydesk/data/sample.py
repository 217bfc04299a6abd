"""The built-in sample: headlines, `clickbait` or `news`, for machines that cannot download a real set.

They come from our own grammar, sample_grammar.yaml. A template is a text with choices and slots:

    (a|b|)       one of the alternatives, which may be empty and may nest
    {thing}      one of the values of the slot `thing`, itself a template; no plain value comes twice in one headline
    {a thing}    the same with "a" or "an" before it
    {3-40}       a whole number in the range
    *9 template  a template that counts nine times

Some slots are bound once per headline, so that it stays of one piece: {city}, {country} and {national}; {name}.

It knows nothing of the world: people, companies and works are invented, events never happened. The labels are true
by construction, so a model that does well here has learnt our grammar; only a real set tells how good it is.
"""

from __future__ import annotations

import csv
import io
import random
import re
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path

import yaml

from copydesk.errors import UsageError
from copydesk.files import refuse_existing, write_text

LABELS = ("clickbait", "news")
MOST_HEADLINES = 50_000
"""The grammar gives more; beyond this, its headlines resemble one another too much to be of use."""

_CHOICE = re.compile(r"\(([^()]*)\)")
_SLOT = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)-(\d+)")
_WEIGHT = re.compile(r"\*(\d+) ")
_BEFORE_MARK = re.compile(r" +(?=[,;:.?!])")
_SENTENCE_START = re.compile(r"(?<=[.?!] )[a-z]|(?<=\")[a-z]")
_SOUNDS_LIKE_A = re.compile(r"(?:uni|use|eu|one)", re.IGNORECASE)
_SOUNDS_LIKE_AN = re.compile(r"(?:[aeio]|u|hour|honest|8|11\b|18\b)", re.IGNORECASE)
_SMALL_WORDS = frozenset("a an and as at but by for from in nor of off on or over the to up via with".split())


@dataclass(frozen=True)
class Grammar:
    """Templates by label, values by slot, and the places as (city, country, national)."""

    templates: dict[str, list[str]]
    slots: dict[str, list[str]]
    places: list[tuple[str, ...]]


def headlines(count: int = 6_000, *, seed: int = 42) -> list[tuple[str, str]]:
    """Return `count` headlines with their labels, shuffled; half are clickbait, and the odd one is news.

    No two are equal, case ignored. The same count and seed give the same list. Raises `UsageError` if the count is
    not between 2 and 50,000.
    """
    if not 2 <= count <= MOST_HEADLINES:
        raise UsageError(
            f"The sample cannot have {count:,} headlines: its grammar gives 2 to {MOST_HEADLINES:,}. "
            "Ask for a count in that range, or use a data set of your own."
        )
    rng = random.Random(seed)
    wanted = {"clickbait": count // 2, "news": count - count // 2}
    label_of: dict[str, str] = {}
    found: list[tuple[str, str]] = []
    for label in LABELS:
        while wanted[label]:
            text = _Headline(_grammar(), rng).write(label)
            if text.lower() not in label_of:
                label_of[text.lower()] = label
                found.append((text, label))
                wanted[label] -= 1
    rng.shuffle(found)
    return found


def sample_csv(count: int = 6_000, *, seed: int = 42) -> str:
    """Return headlines as CSV with the columns text and label. Raises as `headlines` does."""
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("text", "label"))
    writer.writerows(headlines(count, seed=seed))
    return table.getvalue()


def write_sample(path: Path, count: int = 6_000, *, seed: int = 42) -> None:
    """Write `sample_csv` as a UTF-8 file. Raises `UsageError` if the path exists, or as `headlines` does."""
    refuse_existing(path)
    write_text(path, sample_csv(count, seed=seed))


@dataclass
class _Headline:
    """One headline in the making: what is bound, and which values were used."""

    grammar: Grammar
    rng: random.Random
    bound: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def write(self, label: str) -> str:
        self._bind()
        text = " ".join(self._expand(self.rng.choice(self.grammar.templates[label])).split())
        text = _SENTENCE_START.sub(lambda start: start[0].upper(), _BEFORE_MARK.sub("", text))
        style = self.rng.choices(("sentence", "every word", "small words low"), _STYLE_WEIGHTS[label])[0]
        return _STYLES[style](text)

    def _bind(self) -> None:
        city, country, national = self.rng.choice(self.grammar.places)
        first = self.rng.choice(self.grammar.slots[self.rng.choice(("woman", "man"))])
        name = f"{first} {self.rng.choice(self.grammar.slots['surname'])}"
        self.bound.update(city=city, country=country, national=national, name=name)

    def _expand(self, template: str) -> str:
        while choice := _CHOICE.search(template):
            chosen = self.rng.choice(choice[1].split("|"))
            template = template[: choice.start()] + chosen + template[choice.end() :]
        return _SLOT.sub(lambda slot: self._fill(slot[1]), template)

    def _fill(self, slot: str) -> str:
        if slot.startswith("a "):
            return with_article(self._fill(slot[2:]))
        if slot in self.bound:
            return self.bound[slot]
        if limits := _RANGE.fullmatch(slot):
            return str(self.rng.randint(int(limits[1]), int(limits[2])))
        value = self.rng.choice([value for value in self.grammar.slots[slot] if value not in self.used])
        if "{" not in value and "(" not in value:
            self.used.add(value)
        return self._expand(value)


def with_article(noun: str) -> str:
    """Return the noun with its indefinite article: a kettle, an umbrella, a used car, an hour."""
    takes_an = _SOUNDS_LIKE_AN.match(noun) and not _SOUNDS_LIKE_A.match(noun)
    return f"{'an' if takes_an else 'a'} {noun}"


@cache
def _grammar() -> Grammar:
    text = resources.files("copydesk.data").joinpath("sample_grammar.yaml").read_text("utf-8")
    document = yaml.safe_load(text)
    return Grammar(
        templates={label: _weighted(document[label]) for label in LABELS},
        slots={slot: _values(block) for slot, block in document["slots"].items()},
        places=[tuple(place.split(", ")) for place in _values(document["places"])],
    )


def _values(block: str) -> list[str]:
    """Split at line ends and at slashes between spaces; two double quotes stand for the empty value."""
    values = (value.strip() for line in block.splitlines() for value in line.split(" / "))
    return ["" if value == '""' else value for value in values]


def _weighted(block: str) -> list[str]:
    templates: list[str] = []
    for line in block.splitlines():
        weight = _WEIGHT.match(line)
        templates += [line[weight.end() :]] * int(weight[1]) if weight else [line]
    return templates


def _every_word(text: str) -> str:
    return " ".join(_capitalised(word) for word in text.split(" "))


def _small_words_low(text: str) -> str:
    words = (word if word in _SMALL_WORDS else _capitalised(word) for word in text.split(" "))
    return _capitalised(" ".join(words))


def _capitalised(text: str) -> str:
    """Return the text with its first character upper case; an opening quotation mark is skipped."""
    start = 1 if text[:1] in "'\"" else 0
    return text[:start] + text[start : start + 1].upper() + text[start + 1 :]


_STYLES = {"sentence": _capitalised, "every word": _every_word, "small words low": _small_words_low}
_STYLE_WEIGHTS = {"clickbait": (35, 50, 15), "news": (50, 15, 35)}
