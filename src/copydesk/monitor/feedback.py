"""Feedback from files: right labels that somebody wrote down, brought to the answers that they are about.

A table (CSV, TSV, JSONL, Parquet) has `label`, `labels` or `signals` beside the answer's `id`, or beside its `text`
where the id is not known; a review file (`copydesk monitor queue`) has its decisions, and the weights of those texts
that were drawn. A wrong label name is a mistake in the file, and nothing of it is taken. The same file may come again:
of each answer the last word counts, and what was said already is not written twice.
"""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import polars as pl

from copydesk.bundle import Bundle
from copydesk.data.label_kinds import where_in
from copydesk.data.labels import LABELS
from copydesk.data.review_file import FORMAT, read_review
from copydesk.data.sources import read_sources, source_of_path
from copydesk.errors import DataError, UsageError
from copydesk.monitor.corrections import FIELDS, Field, Line, corrections_of
from copydesk.monitor.entry import NOT_SHADOW
from copydesk.monitor.times import in_utc
from copydesk.normalise import PRESETS, normalise, text_id
from copydesk.recipe import Recipe, parse_recipe

_TASKS: dict[Field, str] = {"label": "single", "labels": "multi", "signals": "signals"}
_SHOWN = 3
_KNOWN = ("at", "id", "text", "comment", "weight", *FIELDS)


@dataclass(frozen=True)
class Answers:
    """What answers of a model look like: the labels that it can give, and how it reads texts.

    `recipe` and `steps` are those of a bundle; without one, `names` are the labels that stand in the log.
    """

    names: Collection[str]
    recipe: Recipe | None = None
    steps: Sequence[tuple[str, ...]] = (*PRESETS.values(), ())

    @classmethod
    def of(cls, bundle: Bundle) -> Answers:
        """Return those of a bundle."""
        return cls(bundle.settings.labels, bundle.recipe, (tuple(bundle.settings.normalise),))

    @classmethod
    def in_log(cls, rows: pl.LazyFrame) -> Answers:
        """Return those that a log shows: labels that were given at least once."""
        names = rows.select(pl.col("labels").explode().drop_nulls().unique()).collect(engine="streaming")
        return cls(names["labels"].to_list())

    def recipe_for(self, form: Field) -> Recipe:
        """Return the recipe by which labels are read. Raises `UsageError` if the form is another task's."""
        if self.recipe is None:
            if form == "signals":
                raise UsageError("Signals need the model, for its categories and tags: give --model MODEL.")
            return parse_recipe({"name": "feedback", "task": _TASKS[form], "text": ["text"], "label": form})
        if self.recipe.task != _TASKS[form]:
            raise UsageError(
                f"The file's column {form!r} is of task {_TASKS[form]!r}; the model's task is {self.recipe.task!r}."
            )
        return self.recipe


@dataclass(frozen=True)
class Placed:
    """Feedback on answers of a log: what is to be written, and what became of the file's other rows.

    `joined` rows are about answers that are in the log, `known` of them say what was said already or before it. `late`
    ones are of answers of a version in the log that are not kept any more, and are written for retraining; `unknown`
    ones of no answer of this log, with some of them as `examples`.
    """

    lines: list[Line]
    joined: int
    known: int
    late: int
    unknown: int
    examples: list[str] = field(default_factory=list)


def read_feedback(path: Path, answers: Answers, now: datetime) -> list[dict[str, Any]]:
    """Return a file's feedback as lines, without an `id` where the file has none.

    A row without a time was said when the file was last changed. Raises `DataError` naming the rows that are wrong,
    `SourceError`, `UsageError`.
    """
    written = min(datetime.fromtimestamp(path.stat().st_mtime, UTC), now) if path.is_file() else now
    return _reviewed(path, answers, written) if _is_review(path) else _table(path, answers, written)


def place(lines: Sequence[Mapping[str, Any]], rows: pl.LazyFrame, before: pl.DataFrame, answers: Answers) -> Placed:
    """Return the lines that say something new of the answers in a log; `before` is what was said of them."""
    asked = rows.filter(NOT_SHADOW)
    named = [line for line in lines if line.get("id")]
    by_text, nowhere = _by_text([line for line in lines if not line.get("id")], asked, answers)
    found = [*named, *by_text]
    ids = [str(line["id"]) for line in found]
    here = set(asked.select("id").filter(pl.col("id").is_in(ids)).collect(engine="streaming")["id"])
    versions = set(asked.select(pl.col("version").unique()).collect(engine="streaming")["version"])
    joined = [line for line in found if line["id"] in here]
    away = [line for line in found if line["id"] not in here]
    late = [line for line in away if str(line["id"]).rpartition(".")[0] in versions]
    unknown = [str(line["id"]) for line in away if str(line["id"]).rpartition(".")[0] not in versions]
    new = _news([*joined, *late], before)
    examples = [*unknown, *nowhere][:_SHOWN]
    return Placed(
        new, len(joined), len(joined) + len(late) - len(new), len(late), len(unknown) + len(nowhere), examples
    )


def drawn_from(lines: Iterable[Line], answers: int) -> list[Line]:
    """Return lines as those of a simple sample of so many answers: each stands for as many as any other."""
    sample = list(lines)
    return [{"weight": answers / len(sample), **line} for line in sample]


def _news(lines: Sequence[Line], before: pl.DataFrame) -> list[Line]:
    """Return the lines that change the last word on their answer."""
    columns = ("at", "labels", "scores", "tags", "weight")
    said = {row[0]: row[1:] for row in before.select("id", *columns).iter_rows()}
    last = {row[0]: row[1:] for row in corrections_of(lines).select("id", *columns).iter_rows()}
    found = {}
    for line in lines:
        at, *says, weight = last[str(line["id"])]
        then, *said_then, weight_then = said.get(str(line["id"]), (None, None, None, None, None))
        is_old = then is not None and (says == said_then or at <= then) and weight in (None, weight_then)
        if not is_old:
            found[str(line["id"])] = line
    return list(found.values())


def _by_text(
    lines: Sequence[Mapping[str, Any]], rows: pl.LazyFrame, answers: Answers
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return lines with the id of each version's last answer to their text, and the texts that nobody asked for."""
    if not lines:
        return [], []
    hashes = [{text_id(normalise(str(line["text"]), steps)) for steps in answers.steps} for line in lines]
    wanted = pl.col("text_hash").is_in(sorted(set().union(*hashes)))
    found = rows.select("at", "id", "version", "text_hash").filter(wanted)
    last = found.collect(engine="streaming").sort("at").unique(["text_hash", "version"], keep="last")
    ids: dict[str, list[str]] = {}
    for name, text_hash in last.sort("at", "id").select("id", "text_hash").iter_rows():
        ids.setdefault(text_hash, []).append(name)
    placed, nowhere = [], []
    for line, names in zip(lines, hashes, strict=True):
        own = [one for name in sorted(names) for one in ids.get(name, ())]
        placed += [{**line, "id": one} for one in own]
        nowhere += [] if own else [str(line["text"])]
    return placed, nowhere


def _table(path: Path, answers: Answers, written: datetime) -> list[dict[str, Any]]:
    frame = read_sources([source_of_path(path)]).frame
    there = [name for name in frame.columns if not name.startswith("_")]
    form = _form(path, there)
    recipe = answers.recipe_for(form)
    kind = LABELS[recipe.task]
    read = kind.read(frame[form], recipe, where_in(frame), answers.names)
    where = where_in(frame)
    _require_known([(where(row), label) for row, label in enumerate(read.values) if label], answers, kind)
    lines = []
    for row, (values, label) in enumerate(zip(frame.iter_rows(named=True), read.values, strict=True)):
        if label is None and not (isinstance(values[form], list) and form == "labels"):
            continue
        value = kind.stored(cast("Any", label or ()))
        lines.append({"at": _time(values.get("at"), written, where(row)), form: value, **_others(values, where(row))})
    return lines


def _form(path: Path, there: Sequence[str]) -> Field:
    forms = [name for name in FIELDS if name in there]
    if len(forms) != 1 or not {"id", "text"} & set(there):
        near = [match for name in there for match in difflib.get_close_matches(name, _KNOWN, n=1) if match not in there]
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise DataError(
            f"'{path}' has the columns {', '.join(there)}. Expected: id or text, and one of label, labels, signals."
            f"{hint}"
        )
    return forms[0]


def _others(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return id, text, comment and weight, those that are given."""
    given = {name: str(values[name]) for name in ("id", "text", "comment") if values.get(name) not in (None, "")}
    if not {"id", "text"} & set(given):
        raise DataError(f"{where}: neither id nor text says which answer is meant.")
    weight = values.get("weight")
    if weight in (None, ""):
        return given
    try:
        number = float(cast("Any", weight))
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise DataError(f"{where}: weight {weight!r} is no number above 0: it is how many answers the text stands for.")
    return {**given, "weight": number}


def _time(value: object, written: datetime, where: str) -> str:
    if value in (None, ""):
        return written.isoformat(timespec="milliseconds")
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise DataError(f"{where}: at {value!r} is no time such as {datetime(2026, 11, 21, 9, 30)}.") from None
    return in_utc(at).isoformat(timespec="milliseconds")


def _require_known(labels: Sequence[tuple[str, Any]], answers: Answers, kind: Any) -> None:  # noqa: ANN401 (a LabelKind)
    """Raise `DataError` if labels have names that the model has not."""
    names = set(answers.names)
    wrong = [(where, name) for where, label in labels for name in kind.known(label) if name not in names]
    if not wrong:
        return
    shown = []
    for name, count in Counter(name for _, name in wrong).most_common(_SHOWN):
        near = difflib.get_close_matches(name, names, n=1)
        first = next(where for where, one in wrong if one == name)
        shown.append(f"{name!r} ({count:,} times, first {first}" + (f"; did you mean {near[0]!r}?)" if near else ")"))
    whose = (
        "the model has not" if answers.recipe else "no answer in the log has; --model MODEL names all that there are"
    )
    raise DataError(f"{len(wrong):,} labels are of names that {whose}: {', '.join(shown)}. Nothing was taken.")


def _is_review(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as file:
            header = json.loads(file.readline(1 << 20))
    except (OSError, ValueError):
        return False
    return isinstance(header, dict) and header.get("format") == FORMAT


def _reviewed(path: Path, answers: Answers, written: datetime) -> list[dict[str, Any]]:
    """Return a review's decisions on answers; a text that was left out has no right label."""
    review = read_review(path)
    form = next(form for form, task in _TASKS.items() if task == review.header.task)
    answers.recipe_for(form)
    kind = LABELS[review.header.task]
    decided = [item for item in review.items if item.is_decided and item.prediction and item.outcome is not None]
    _require_known([(item.prediction, kind.restored(item.outcome)) for item in decided], answers, kind)
    at = written.isoformat(timespec="milliseconds")
    return [
        {"at": at, "id": item.prediction, form: item.outcome, **({"weight": item.weight} if item.weight else {})}
        for item in decided
    ]
