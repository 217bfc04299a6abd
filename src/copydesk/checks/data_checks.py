"""The seven tests of features and data (Breck et al. 2017, section II).

What a text classifier's features are: its text columns, and the words in them.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from copydesk.checks.bundle_texts import texts_in_bundle
from copydesk.checks.hostile import hostile_texts
from copydesk.checks.outcome import Finding
from copydesk.checks.planted import planted
from copydesk.checks.rehearsal import rehearse
from copydesk.checks.subject import Subject, spread
from copydesk.checks.tokens import chance_quality, lost_without, telling_words
from copydesk.data.clean import Account
from copydesk.data.dataset import Dataset
from copydesk.data.labels import LABELS, read_labels
from copydesk.data.prepare import prepare_table
from copydesk.data.rules import check_rules
from copydesk.data.trained_on import find_leaks
from copydesk.errors import DataError
from copydesk.metrics.base import proportion_interval
from copydesk.normalise import COLUMN_SEPARATOR, normalise
from copydesk.personal import find_personal, masked, personal_in
from copydesk.progress import Silent
from copydesk.recipe import Recipe, override

_TELLING = 5
_MOST_LOST = 0.5
"""A single word may carry at most this share of what the model knows beyond the most frequent label."""
_LATENCY_MS = 100.0
_LONG_TIMES = 8
_LEAK_REACH = 0.5
_FEW_TEXTS = 20
_MOST_PERSONAL, _MOST_COPIED = 0.001, 50
_PERSONAL = ("write to ada.lovelace@example.org today", "call +46 8 123 456 78 before noon", "my tel: 020 7946 0958")
_ADDED = "copydesk_added"
_ADDED_S = 60.0
_ADDED_ROWS = 300


def schema(subject: Subject) -> Finding:
    """Hold the recipe's rules against the raw rows, then against rows that break each of them."""
    recipe, frame = subject.recipe, subject.raw.frame
    rules = recipe.rules.model_copy(update={"on_violation": "refuse"})
    kind, labels = LABELS[recipe.task], read_labels(frame, recipe).values
    try:
        check_rules(rules, frame, labels, kind, Account(Silent()))
    except DataError as error:
        return Finding(False, _one_line(str(error)), frame.height, "every rule holds")
    plants = list(planted(rules, frame, labels))
    missed = []
    for plant in plants:
        try:
            check_rules(rules, plant.frame, plant.labels, kind, Account(Silent()))
            missed.append(plant.rule)
        except DataError:
            pass
    if not plants:
        return Finding(False, "the recipe states no rules for its data (rules)", 0, "at least one rule")
    figures = {"rows": frame.height, "planted": len(plants), "caught": len(plants) - len(missed)}
    told = f"rules hold on {frame.height:,} rows; {len(plants) - len(missed)} of {len(plants)} planted faults caught"
    told += f" (not: {', '.join(missed)})" if missed else ""
    return Finding(not missed, told, frame.height, "every rule holds, every planted fault is caught", figures)


def beneficial(subject: Subject) -> Finding:
    """Leave out each text column, and each of the most telling words, and see what is lost."""
    texts, labels = subject.held_out
    chance, right = chance_quality(labels), _share_right(subject, texts)
    useless = _useless_columns(subject) if len(subject.recipe.text) > 1 else []
    words = telling_words(texts, labels, subject.recipe.task, most=_TELLING)
    lost = {one.word: lost_without(subject.classifier, texts, labels, one.word) for one in words}
    word, most = max(lost.items(), key=lambda item: item[1], default=("", 0.0))
    low = proportion_interval(round(right * len(texts)), len(texts))[0]
    limit = _MOST_LOST * max(right - chance, 0.0)
    told = (
        f"{right:.1%} right on {len(texts)} held-out texts, {chance:.1%} without the text; of {len(words)} telling "
        "words "
        f"'{word}' is missed most: {most:+.1%} of answers"
    )
    if useless:
        told = f"no better with than without the column {', '.join(useless)}; {told}"
    figures = {"right": right, "chance": chance, "most_lost": most, "columns_without_benefit": len(useless)}
    needed = f"better than chance; no column without benefit; no word carries more than {limit:.1%}"
    return Finding(low > chance and most <= limit and not useless, told, len(texts), needed, figures)


def _share_right(subject: Subject, texts: list[str]) -> float:
    task = subject.classifier.task
    return float(task.right(task.encode(subject.held_out[1]), subject.classifier.scores(texts)).mean())


def _useless_columns(subject: Subject) -> list[str]:
    """Return the columns without which the linear model is better on held-out texts."""
    task, (texts, labels) = subject.linear.task, subject.held_out
    targets = task.encode(labels)
    whole = task.right(targets, subject.linear.scores(texts)).mean()
    found = []
    for place, column in enumerate(subject.recipe.text):
        frame = subject.trained_on.frame.with_columns(
            pl.Series("text", [_emptied(text, place) for text in subject.trained_on.frame["text"]], pl.String)
        )
        recipe = override(subject.recipe, {"model.kind": "linear"})
        without = subject.trained(recipe, Dataset(frame, subject.trained_on.manifest))
        if task.right(targets, without.scores([_emptied(text, place) for text in texts])).mean() > whole:
            found.append(column)
    return found


def _emptied(text: str, place: int) -> str:
    columns = text.split(COLUMN_SEPARATOR)
    return COLUMN_SEPARATOR.join("" if number == place else column for number, column in enumerate(columns))


def cost(subject: Subject) -> Finding:
    """Time a text, a text as long as the longest, and each column alone."""
    texts = subject.texts(40)
    clock, classifier = subject.clock, subject.classifier

    def milliseconds(of: list[str]) -> float:
        times = []
        for text in of:
            started = clock()
            classifier.predict([text])
            times.append((clock() - started) * 1_000)
        return float(np.percentile(times, 95))

    classifier.predict(texts[:3])
    started = clock()
    for text in texts:
        normalise(text, classifier.settings.normalise)
    cleaning = (clock() - started) * 1_000 / len(texts)
    usual, long = milliseconds(texts), milliseconds([" ".join([text] * _LONG_TIMES) for text in texts[:10]])
    names = subject.recipe.text
    columns = {
        name: max(usual - milliseconds([_emptied(text, place) for text in texts]), 0.0)
        for place, name in enumerate(names)
        if len(names) > 1
    }
    told = f"p95 {usual:.1f} ms a text on {len(texts)} texts (normalising {cleaning:.2f} ms)"
    told += f", {long:.1f} ms if {_LONG_TIMES} times as long"
    told += "".join(f"; column {name} costs {value:.1f} ms" for name, value in columns.items())
    figures = {"p95_ms": usual, "long_p95_ms": long, "normalise_ms": cleaning}
    limit = subject.recipe.gate.floors.get("p95_latency_ms", _LATENCY_MS)
    return Finding(usual <= limit, told, len(texts), f"p95 of at most {limit:g} ms a text", figures)


def meta_level(subject: Subject) -> Finding:
    """Look for columns that may not be used, and for words that give the label away."""
    texts, labels = subject.dataset.part("train")
    forbidden = sorted(set(subject.classifier.settings.text) & set(subject.settings.forbidden_columns))
    same = subject.recipe.label in subject.classifier.settings.text
    words = telling_words(texts, labels, subject.recipe.task, most=200)
    leaks = [one.word for one in words if one.share == 1.0 and one.reach >= _LEAK_REACH and one.texts >= _FEW_TEXTS]
    names = {name.lower() for name in subject.classifier.labels}
    named = [
        one.word for one in words if one.word == one.label.lower() and one.word in names and one.reach >= _LEAK_REACH
    ]
    seen, looked = _seen(subject)
    faults = [f"the column {name} is forbidden" for name in forbidden]
    faults += [f"{seen} of {looked} held-out texts were trained on"] * bool(seen)
    faults += ["the label column is a text column"] * same
    faults += [f"'{word}' gives its label away" for word in dict.fromkeys([*leaks, *named])]
    told = "; ".join(faults) or (
        f"text of {', '.join(subject.classifier.settings.text)}, {len(subject.settings.forbidden_columns)} columns "
        f"forbidden; none of {looked} held-out texts was trained on; "
        f"none of the {len(words)} most telling words of {len(texts):,} training texts gives a label away"
    )
    needed = f"no forbidden column, no word in {_LEAK_REACH:.0%} of a label's texts and in no other's"
    return Finding(
        not faults, told, len(texts), needed, {"leaks": len(leaks), "forbidden": len(forbidden), "seen": seen}
    )


def _seen(subject: Subject) -> tuple[int, int]:
    """Return how many held-out texts the bundle's sketches know, of how many; of other data none is held out."""
    sketches = subject.bundle.layout.training_texts
    if not sketches.is_file() or subject.dataset.content_hash() != subject.bundle.manifest.get("data"):
        return 0, 0
    leaks = find_leaks(sketches, subject.held_out[0])
    return len(leaks.exact), leaks.texts


def privacy(subject: Subject) -> Finding:
    """Look for personal data in the data and in the bundle, and for texts of the data in the bundle's files."""
    texts = subject.dataset.frame["text"].to_list()
    found = find_personal(texts)
    holding = len({place for place, text in enumerate(texts) if personal_in(text)})
    kept = [mistake.text for mistake in subject.classifier.report.mistakes]
    in_bundle = sum(len(personal_in(text)) for text in kept)
    copied = texts_in_bundle(subject.bundle, texts)
    caught = sum(len(personal_in(text)) == 1 and not personal_in(masked(text)) for text in _PERSONAL)
    counts = ", ".join(f"{count} × {kind}" for kind, count in found.found.items())
    told = (
        f"{counts} in {holding} of {len(texts):,} texts; in the bundle {in_bundle}, and {copied} texts of the data; "
        f"{caught} of {len(_PERSONAL)} planted ones found and masked"
    )
    holds = holding <= _MOST_PERSONAL * len(texts) and not in_bundle and copied <= _MOST_COPIED
    needed = f"at most {_MOST_PERSONAL:.1%} of the texts, none in the bundle, at most {_MOST_COPIED} texts in it"
    figures = {"texts_with": holding, "in_bundle": in_bundle, "copied": copied, "planted_caught": caught}
    return Finding(holds and caught == len(_PERSONAL), told, len(texts), needed, figures)


def added_quickly(subject: Subject) -> Finding:
    """Add a text column by an override, and train, write, load and ask a model with it."""
    raw = subject.raw
    rows = raw.frame.head(_ADDED_ROWS) if raw.frame.height > _ADDED_ROWS else raw.frame
    first = rows[subject.recipe.text[0]].cast(pl.String).fill_null("")
    frame = rows.with_columns(pl.Series(_ADDED, [f"{len(text.split())} words" for text in first], pl.String))
    settings = {"model.kind": "linear", "text": [*subject.recipe.text, _ADDED], "rules.on_violation": "warn"}
    recipe: Recipe = override(subject.recipe, settings)
    started = subject.clock()
    model = rehearse(recipe, prepare_table(recipe, type(raw)(frame, raw.files)), subject.work / "added")
    answers = model.predict([dict.fromkeys(model.settings.text, text) for text in spread(first.to_list(), 10)])
    seconds = subject.clock() - started
    holds = seconds <= _ADDED_S and _ADDED in model.settings.text and len(answers) > 0
    told = f"a column more: trained, written, loaded and asked in {seconds:.1f} s on {frame.height} rows (linear model)"
    return Finding(holds, told, frame.height, f"at most {_ADDED_S:g} s", {"seconds": seconds, "rows": frame.height})


def input_code(subject: Subject) -> Finding:
    """Run the code that makes inputs on the data's and on hostile texts: total, idempotent, deterministic, bounded."""
    texts = [*hostile_texts(300), *subject.texts(300)]
    classifier, steps = subject.classifier, subject.classifier.settings.normalise
    names = classifier.settings.text
    faults: list[str] = []
    for text in texts:
        once = normalise(text, steps)
        if normalise(once, steps) != once:
            faults.append(f"{text[:30]!r} normalised twice is another text")
        if normalise(text, steps) != once:
            faults.append(f"{text[:30]!r} is not normalised alike twice")
        (joined,) = classifier.prepared([dict.fromkeys(names, text)])
        if joined.count(COLUMN_SEPARATOR) != len(names) - 1:
            faults.append(f"{text[:30]!r} forges a column")
    faults += _token_faults(subject, classifier.prepared(texts))
    done = "normalised and tokenised" if hasattr(classifier.model, "reader") else "normalised"
    told = faults[0] if faults else f"{done} {len(texts)} texts, half of them hostile: no fault"
    needed = "idempotent, deterministic, within the length limit, no forged column, no error"
    return Finding(not faults, told, len(texts), needed, {"texts": len(texts), "faults": len(faults)})


def _token_faults(subject: Subject, texts: list[str]) -> list[str]:
    """Return what is wrong with the tokens of normalised texts; nothing for a model that has no tokenizer."""
    reader = getattr(subject.classifier.model, "reader", None)
    if reader is None:
        return []
    together = reader.encode(texts)
    faults = [] if (together.lengths <= reader.reading.max_tokens).all() else ["a text has more tokens than allowed"]
    if set(together.owner.tolist()) != set(range(len(texts))):
        faults.append("a text has no tokens")
    again = reader.encode(texts)
    if not np.array_equal(together.ids, again.ids):
        faults.append("tokenising twice gives other tokens")
    return faults


def _one_line(text: str) -> str:
    return " ".join(text.split())
