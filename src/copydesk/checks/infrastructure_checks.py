"""The seven tests of the infrastructure (Breck et al. 2017, section IV)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from copydesk.bundle import open_bundle
from copydesk.checks.gated import gated
from copydesk.checks.going_back import answers_over_time, own_registry
from copydesk.checks.in_memory import OK, Shelf, as_sent, running, service_of, shadow_counts
from copydesk.checks.outcome import Finding
from copydesk.checks.rehearsal import rehearse
from copydesk.checks.subject import Subject, sample_of, spread
from copydesk.data.dataset import load_dataset
from copydesk.data.prepare import prepare_table
from copydesk.data.sources import RawTable
from copydesk.evaluate import evaluate
from copydesk.models.base import Model
from copydesk.recipe import override
from copydesk.registry.moves import Mover
from copydesk.runtime.engine import LOADERS, Classifier
from copydesk.runtime.explain import Explanation, explain
from copydesk.types import Text

_SAME = 1e-3
_AGREEMENT = 0.5
_SUB_SAMPLES, _SUB_SHARE = 3, 0.8
_TINY, _FEW = 16, 48
_SHADOWED = 40
_EXPLAINED = 12
_PIPELINE_ROWS = 120
_FOR_FEW_ROWS = {"rules.on_violation": "warn", "prepare.min_support": 1, "prepare.resample": "none"}
_ROLLED_BACK = 30


def reproducible(subject: Subject) -> Finding:
    """Train twice alike and compare; then with another seed and on sub-samples, to see how much is chance."""
    dataset, kind, asked = subject.dataset, subject.recipe.model.kind, subject.texts(200)
    updates = kind not in ("linear", "keywords")
    few = sample_of(dataset, train=_FEW, validation=16) if updates else dataset
    recipe = subject.small_recipe(train__epochs=1)
    first, second = (subject.fitted(recipe, few).model.logits(asked) for _ in range(2))
    apart = float(np.abs(first - second).max())
    count = len(few.part("train")[0])
    told = f"trained twice on {count} texts ({recipe.model.kind}): outputs {apart:.2g} apart at most"
    holds, figures = apart <= _SAME, {"apart": apart}
    if kind == "linear" and dataset.content_hash() == subject.bundle.manifest.get("data"):
        figures["from_bundle"] = float(np.abs(first - subject.classifier.model.logits(asked)).max())
        told += f", from the bundle's by {figures['from_bundle']:.2g}"
        holds = holds and figures["from_bundle"] <= _SAME
    if updates:
        reseeded = subject.fitted(override(recipe, {"train.seed": recipe.train.seed + 1}), few).model.logits(asked)
        figures["seed_apart"] = float(np.abs(first - reseeded).max())
        told += f", with another seed {figures['seed_apart']:.2g}"
    agreement = figures["sub_sample_agreement"] = _sub_sample_agreement(subject, asked)
    told += f"; {_SUB_SAMPLES} linear models of {_SUB_SHARE:.0%} of the texts agree two by two on {agreement:.1%}"
    needed = f"alike: at most {_SAME:g} apart; from sub-samples {_AGREEMENT:.0%} the same answers"
    return Finding(holds and agreement >= _AGREEMENT, told, len(asked), needed, figures)


def _sub_sample_agreement(subject: Subject, asked: list[str]) -> float:
    """Return how often two linear models from different sub-samples give a text the same answer."""
    recipe, size = override(subject.recipe, {"model.kind": "linear"}), len(subject.dataset.part("train")[0])
    answers = []
    for seed in range(_SUB_SAMPLES):
        model = subject.trained(recipe, sample_of(subject.dataset, seed=seed, train=int(_SUB_SHARE * size)))
        answers.append([str(answer.labels or answer.label or answer.signals) for answer in model.predict(asked)])
    return float(np.mean([one == other for pair in combinations(answers, 2) for one, other in zip(*pair, strict=True)]))


def specification(subject: Subject) -> Finding:
    """Run what a model's code must be able to do: overfit few texts, come back from disk, answer one as among many."""
    tiny = sample_of(subject.dataset, train=_TINY, validation=_TINY // 2, test=0)
    texts, labels = tiny.part("train")
    model = subject.trained(
        subject.small_recipe(train__epochs=15, train__early_stop=0, train__learning_rate="auto"), tiny
    )
    targets = model.task.encode(labels)
    learnt = float(model.task.right(targets, model.scores(texts)).mean())
    asked = subject.texts(40)
    ours = subject.classifier.model
    folder = subject.work / "saved"
    folder.mkdir()
    ours.save(folder)
    together = ours.logits(subject.classifier.prepared(asked))
    back = LOADERS[ours.kind](folder).logits(subject.classifier.prepared(asked))
    alone = np.concatenate([ours.logits([text]) for text in subject.classifier.prepared(asked)])
    loaded, single = float(np.abs(back - together).max()), float(np.abs(alone - together).max())
    near = 0.05 * float(np.abs(together).max())  # rounding of bytes depends on the batch
    holds = learnt >= 0.9 and loaded <= _SAME and single <= max(near, _SAME)
    told = (
        f"{learnt:.0%} of {len(texts)} texts learnt by heart; saved and loaded: outputs {loaded:.2g} apart; "
        f"{len(asked)} texts alone and together: {single:.2g} apart"
    )
    needed = f"90% learnt, {_SAME:g} apart after loading, {max(near, _SAME):.2g} alone"
    return Finding(holds, told, len(asked), needed, {"learnt": learnt, "loaded": loaded, "alone": single})


def pipeline(subject: Subject) -> Finding:
    """Prepare, train, evaluate, write, load and predict on a sample, through files, in a temporary folder."""
    raw = subject.raw
    rows = raw.frame.sample(min(_PIPELINE_ROWS, raw.frame.height), seed=1, shuffle=False)
    recipe = override(subject.small_recipe(train__epochs=1), _FOR_FEW_ROWS)
    if recipe.prepare.split.by != "time" and recipe.prepare.split.column is None:
        recipe = override(recipe, {"prepare.split.validation": 0.2, "prepare.split.test": 0.2})
    started = subject.clock()
    prepare_table(recipe, RawTable(rows, raw.files)).save(subject.work / "dataset")
    dataset = load_dataset(subject.work / "dataset")
    model = rehearse(recipe, dataset, subject.work / "pipeline")
    texts, labels = dataset.part("test")
    right = model.task.right(model.task.encode(labels), model.scores(texts))
    report = evaluate(model, texts, labels)
    seconds = subject.clock() - started
    same = abs(report.metrics[report.headline] - model.report.metrics[report.headline]) <= _SAME
    told = (
        f"{rows.height} rows prepared, {recipe.model.kind} trained, written, loaded, {len(texts)} texts answered in "
        f"{seconds:.1f} s; {report.headline} {report.metrics[report.headline]:.3f} there and in its report"
    )
    holds = same and len(right) == len(texts) > 0
    return Finding(
        holds, told, rows.height, "every stage works, and evaluation is that of the bundle", {"seconds": seconds}
    )


def debuggable(subject: Subject) -> Finding:
    """Explain single answers, and hold the explanation against the model."""
    texts = spread(subject.texts(200), _EXPLAINED)
    explained = [explanation for text in texts for explanation in explain(subject.classifier, text)]
    again = [explanation for text in texts for explanation in explain(subject.classifier, text)]
    off = [_off(explanation) for explanation in explained]
    worst = max(off, default=0.0)
    same = all(first == second or _near(first, second) for first, second in zip(explained, again, strict=True))
    said = sum(bool(explanation.spans) for explanation in explained)
    method = explained[0].method if explained else "nothing to explain"
    told = f"{len(explained)} explanations of {len(texts)} answers ({method}), {said} name words; asked again, the same"
    if any(explanation.is_exact for explanation in explained):
        told += f"; weights add up to the value within {worst:.2g}"
    needed = f"every answer is explained, alike twice, exact ones add up within {_SAME:g}"
    holds = worst <= _SAME and same and said >= 0.8 * len(explained)
    return Finding(holds, told, len(explained), needed, {"off": worst, "explained": len(explained)})


def _off(explanation: Explanation) -> float:
    """Return by how much exact weights miss the value; estimates cannot miss it."""
    if explanation.base is None:
        return 0.0
    return abs(sum(span.weight for span in explanation.spans) + explanation.base - explanation.value)


def _near(first: Explanation, second: Explanation) -> bool:
    return first.label == second.label and abs(first.value - second.value) <= _SAME


def canary(subject: Subject) -> Finding:
    """Serve the model with itself in its shadow, then with a spoilt one; then swap to a new version while asked."""
    return asyncio.run(_canary(subject))


async def _canary(subject: Subject) -> Finding:
    texts = [as_sent(text, subject.classifier) for text in subject.texts(_SHADOWED)]
    ours, spoilt = subject.classifier, Classifier(Reversed(subject.classifier.model), subject.classifier.settings)
    agreed = (await _in_shadow(ours, ours, texts, subject.work)).get("yes", 0)
    differed = (await _in_shadow(ours, spoilt, texts, subject.work)).get("no", 0)
    shelf = Shelf(ours, "old")
    service = service_of(shelf)
    async with running(service, subject.work) as client:
        shelf.put(ours, "new")
        swap = asyncio.create_task(service.refresh())
        answers = [await client.classify({"text": text}) for text in texts]
        swapped = await swap
        last = await client.classify({"text": texts[0]})
    lost = sum(answer.status != OK for answer in answers)
    version = last.json()["model"]["version"] if last.status == OK else "none"
    told = (
        f"in its own shadow it agrees on {agreed} of {len(texts)} texts, a spoilt candidate differs on {differed}; "
        f"swapped under {len(texts)} requests: {lost} lost, then version '{version}' answers"
    )
    holds = agreed == len(texts) and differed > 0 and swapped and version == "new" and not lost
    figures = {"agreed": agreed, "differed": differed, "lost": lost}
    return Finding(holds, told, 3 * len(texts), "agrees with itself, tells a spoilt one, loses no request", figures)


async def _in_shadow(ours: Classifier, candidate: Classifier, texts: list[Text], work: Path) -> dict[str, int]:
    """Return how many texts a candidate answered alike (`yes`), otherwise (`no`), or not (`failed`), in the shadow."""
    service = service_of(Shelf(ours, "live"), shadow=Shelf(candidate, "candidate"))
    async with running(service, work) as client:
        for text in texts:
            await client.classify({"text": text})
        counts = shadow_counts(service)
        while sum(counts.values()) < len(texts):  # the shadow answers after its clients have theirs
            await asyncio.sleep(0.02)
            counts = shadow_counts(service)
    return counts


class Reversed:
    """A model that means the opposite of another: a planted fault."""

    kind = "reversed"

    def __init__(self, model: Model) -> None:
        self._model = model

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the other model's outputs with their signs turned."""
        return -self._model.logits(texts)

    def save(self, folder: Path) -> None:
        """Refuse: it is never kept."""
        raise NotImplementedError(f"a planted fault is not written to {folder}")


def quality_validated(subject: Subject) -> Finding:
    """Hold this model against its gate's rules, and planted bad candidates against this model."""
    found = gated(subject, Classifier(Reversed(subject.classifier.model), subject.classifier.settings))
    texts = len(subject.held_out[0])
    passed = [name for name, refused in found.refused.items() if not refused]
    told = f"of {len(found.refused)} planted bad candidates the gate refuses {len(found.refused) - len(passed)}"
    told += f" (not: {', '.join(passed)})" if passed else f" ({', '.join(found.refused)})"
    rules = "; ".join(f"{one.rule}: {one.measured}, needed {one.needed}" for one in found.failures[:3])
    more = f" and {len(found.failures) - 3} more" if len(found.failures) > 3 else ""
    told += f"; this model it refuses: {rules}{more}" if rules else "; this model keeps every rule"
    if not subject.recipe.gate.floors:
        told = f"the recipe states no floor of quality (gate.floors); {told}"
    holds = not passed and not found.failures and bool(subject.recipe.gate.floors)
    needed = "the recipe has floors, the gate lets this model pass and refuses each planted one for its own reason"
    figures = {"refused": len(found.refused) - len(passed), "failures": len(found.failures)}
    return Finding(holds, told, texts, needed, figures)


def rolled_back(subject: Subject) -> Finding:
    """Register this model and another, promote both, go back, and fetch and ask what is in production each time."""
    texts = subject.texts(_ROLLED_BACK)
    other = rehearse(
        override(subject.recipe, {"model.kind": "linear", "runtime.precision": "none"}),
        sample_of(subject.dataset, seed=1, train=min(200, len(subject.dataset.part("train")[0]) // 2), test=50),
        subject.work / "other",
    )
    mover = Mover("copydesk check", subject.now.isoformat(timespec="seconds"))
    registry_folder = subject.work / "registry"
    registry_folder.mkdir()
    ours = open_bundle(subject.bundle.path.absolute())
    with own_registry(registry_folder) as registry:
        first, second, back = answers_over_time(registry, [ours, other.bundle], texts, mover, subject.work.absolute())
    differ = sum(before != after for before, after in zip(first[1], back[1], strict=True))
    other_answers = sum(one != two for one, two in zip(first[1], second[1], strict=True))
    told = (
        f"versions {first[0]} and {second[0]} promoted ({other_answers} of {len(texts)} answers changed), rolled back: "
        f"version {back[0]} answers, {differ} of {len(texts)} answers differ from before"
    )
    holds = back[0] == first[0] != second[0] and not differ and other_answers > 0
    figures = {"changed": other_answers, "differ": differ}
    return Finding(holds, told, len(texts), "the first version again, with the same answers", figures)
