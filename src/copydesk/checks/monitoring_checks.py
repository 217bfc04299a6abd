"""The seven tests of monitoring (Breck et al. 2017, section V).

What is to be watched while a model is in production, run once and now; who runs it again is the team's automation.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import numpy as np

from copydesk.checks.hostile import hostile_texts
from copydesk.checks.in_memory import CLASSIFY, OK, Shelf, as_sent, running, service_of
from copydesk.checks.outcome import Finding
from copydesk.checks.served_answers import told_answers
from copydesk.checks.subject import Subject, spread
from copydesk.checks.weights import weights_of
from copydesk.evaluate import evaluate, measure_latency
from copydesk.metrics.base import proportion_interval
from copydesk.packages import changed_packages, installed_packages

_TOLERANCE = 2e-3
_BYTES_TOLERANCE = 0.05
_SKEW_TEXTS = 60
_SLOWER = 3.0
_LATENCY_MS = 100.0
_THREADS = 4
_PLANTED = "0.0.planted"


def dependencies(subject: Subject) -> Finding:
    """Hold the installed packages against those that the bundle records, then against a planted change."""
    recorded = subject.bundle.manifest.get("packages")
    needed = "recorded versions are the installed ones, and a planted change is told"
    if not isinstance(recorded, dict) or not recorded:
        return Finding(False, "the bundle does not record with which packages it was made; train it again", 0, needed)
    installed = installed_packages()
    changed = changed_packages(recorded, installed)
    caught = sum(set(changed_packages({**recorded, name: _PLANTED}, installed)) > set(changed) for name in installed)
    compared = sum(name in installed for name in recorded)
    told = "; ".join(f"{name} was {was}, is {now}" for name, (was, now) in changed.items())
    told = (
        told
        or f"{compared} packages as recorded (copydesk {recorded.get('copydesk')}, numpy {recorded.get('numpy')}, …)"
    )
    told += f"; {caught} of {compared} planted changes told"
    return Finding(not changed and caught == compared, told, compared, needed, {"changed": len(changed)})


def invariants(subject: Subject) -> Finding:
    """Send the running server what is no request, and requests that are; each gets the answer that it should."""
    return asyncio.run(_invariants(subject))


async def _invariants(subject: Subject) -> Finding:
    good = as_sent(subject.texts(1)[0], subject.classifier)
    limits = subject.recipe.serve
    wrong: dict[str, Any] = {
        "empty text": {"text": ""},
        "blank text": {"text": " \t "},
        "a number": {"text": 7},
        "null": {"text": None},
        "a list as text": {"text": [good]},
        "no text": {},
        "unknown field": {"text": good, "label": "x"},
        "both fields": {"text": good, "texts": [good]},
        "no texts": {"texts": []},
        "one bad of two": {"texts": [good, None]},
        "too long": {"text": "x" * (limits.max_text_chars + 1)},
        "too many": {"texts": [good] * (limits.max_batch_texts + 1)},
        "an unknown column": {"text": {"copydesk_unknown": "x"}},
        "a list": [good],
    }
    async with running(service_of(Shelf(subject.classifier, "checked")), subject.work) as client:
        answers = {name: await client.classify(body) for name, body in wrong.items()}
        answers["no JSON"] = await client.ask(CLASSIFY, b"{'text'}")
        answers["no UTF-8"] = await client.ask(CLASSIFY, b'{"text": "\xff"}')
        answers["another type"] = await client.ask(CLASSIFY, b"text=good", kind="application/x-www-form-urlencoded")
        right = [await client.classify({"text": good}), await client.classify({"texts": [good, good]})]
    taken = [name for name, answer in answers.items() if not 400 <= answer.status < 500]
    refused = sum(answer.status != OK for answer in right)
    told = f"{len(answers) - len(taken)} of {len(answers)} invalid requests refused"
    told += f", {len(right) - refused} of {len(right)} valid ones answered"
    told += f" (taken: {', '.join(taken)})" if taken else ""
    figures = {"invalid": len(answers), "taken": len(taken), "valid_refused": refused}
    return Finding(not taken and not refused, told, len(answers) + len(right), "every one, with a 4xx status", figures)


def skew(subject: Subject) -> Finding:
    """Send the same texts through the training side's preparation, the Python API and the server; and re-evaluate."""
    return asyncio.run(_skew(subject))


async def _skew(subject: Subject) -> Finding:
    classifier, task = subject.classifier, subject.classifier.task
    texts = [
        *spread(subject.dataset.part("test")[0], _SKEW_TEXTS),
        *(text for text in hostile_texts(10) if text.strip()),
    ]
    texts = [text for text in texts if len(text) <= subject.recipe.serve.max_text_chars and _is_sendable(text)]
    sent = [as_sent(text, classifier) for text in texts]
    trained = classifier.calibrated(classifier.model.logits(classifier.prepared(sent)))
    python = classifier.predict(sent, scores=True)
    async with running(service_of(Shelf(classifier, "checked")), subject.work) as client:
        answers = [await client.classify({"text": text}, scores=True) for text in sent]
    served = [answer.json()["predictions"][0] for answer in answers if answer.status == OK]
    offline = [answer.to_json() for answer in task.decode(trained, all_scores=True)]
    ways = list(zip(offline, [answer.to_json() for answer in python], served, strict=False))
    differ = sum(not _decided(one) == _decided(two) == _decided(three) for one, two, three in ways)
    apart = max((_apart(one, three) for one, _, three in ways), default=0.0)
    evaluated = evaluate(classifier, *subject.held_out)
    recorded = classifier.report.metrics[evaluated.headline]
    moved = abs(evaluated.metrics[evaluated.headline] - recorded)
    lost = len(texts) - len(served)
    told = (
        f"{len(texts)} texts by the training's way, by Python and by HTTP: {differ} answers differ, scores by "
        f"{apart:.2g} at most; "
        f"{evaluated.headline} {evaluated.metrics[evaluated.headline]:.4f} now, {recorded:.4f} in the report"
    )
    holds = not differ and not lost and apart <= _BYTES_TOLERANCE and moved <= 1.5 / max(evaluated.n, 1)
    figures = {"differ": differ, "apart": apart, "moved": moved, "lost": lost}
    return Finding(holds, told, len(texts), "the same answers; the report's figure within one text", figures)


def _is_sendable(text: str) -> bool:
    return text.isprintable() and text.strip() != ""


def _decided(answer: dict[str, Any]) -> object:
    """Return what an answer says, without its scores."""
    if "signals" in answer:
        return {(one["category"], one["tag"], one["present"]) for one in answer["signals"]}
    return answer.get("label"), tuple(answer.get("labels", ()))


def _apart(first: dict[str, Any], second: dict[str, Any]) -> float:
    """Return by how much the scores of two answers differ; answers with signals have theirs in these."""
    one, two = ({**answer.get("scores", {}), **_signal_scores(answer)} for answer in (first, second))
    return max((abs(one[name] - two.get(name, float("inf"))) for name in one), default=0.0)


def _signal_scores(answer: dict[str, Any]) -> dict[str, float]:
    return {f"signal {one['category']}": one["score"] for one in answer.get("signals", [])}


def age(subject: Subject) -> Finding:
    """Hold the model's age against the limit, and its data against what the source holds now."""
    created = datetime.fromisoformat(subject.bundle.manifest["created"]).astimezone(UTC)
    days = (subject.now - created).total_seconds() / 86_400
    limit = subject.settings.max_age_days
    same = subject.dataset.content_hash() == subject.bundle.manifest.get("data")
    data = "as it was then" if same else "another now"
    told = f"made {created:%Y-%m-%d}, {max(days, 0):.1f} days ago; the data is {data}"
    figures = {"days": days, "same_data": float(same)}
    return Finding(-1 < days <= limit, told, 1, f"at most {limit} days old (max_age_days)", figures)


def numerics(subject: Subject) -> Finding:
    """Look at every weight for NaN and infinity, and at the scores of extreme texts."""
    counted, broken = weights_of(subject.bundle.layout.model)
    texts = [*hostile_texts(60), "x " * 5_000, *(text * 40 for text in subject.texts(5))]
    classifier = subject.classifier
    sent = [dict.fromkeys(classifier.settings.text, text) for text in texts]
    logits = classifier.model.logits(classifier.prepared(sent))
    scores = classifier.calibrated(logits)
    sums = scores.sum(axis=1) if classifier.task.name == "single" else np.ones(len(texts))
    wrong = int((~np.isfinite(logits).all(axis=1) | ~np.isfinite(scores).all(axis=1) | (np.abs(sums - 1) > 1e-5)).sum())
    told = f"{counted:,} weights, {broken} no number; of {len(texts)} extreme texts {wrong} get scores that are none"
    figures = {"weights": counted, "broken_weights": broken, "texts": len(texts), "broken_texts": wrong}
    has_weights = counted > 0 or classifier.model.kind == "keywords"
    return Finding(
        not broken and not wrong and has_weights, told, len(texts), "all finite; exclusive scores sum to 1", figures
    )


def performance(subject: Subject) -> Finding:
    """Measure latency, rate, size and memory, against the report's own; and ask from several threads at once."""
    texts = (subject.texts(100) * 100)[:100]
    classifier, report = subject.classifier, subject.classifier.report
    times = {count: _milliseconds(subject, texts[:count]) for count in (1, 10, 100)}
    p50 = measure_latency(classifier, texts, clock=subject.clock)["p50"]
    recorded = report.latency_ms.get("p50", 0.0)
    expected = classifier.scores(texts)
    with ThreadPoolExecutor(_THREADS) as pool:
        several = list(pool.map(classifier.scores, [texts] * _THREADS))
    apart = max(float(np.abs(found - expected).max()) for found in several)
    again = float(np.abs(classifier.scores(texts) - expected).max())
    megabytes = sum(file.stat().st_size for file in subject.bundle.layout.files()) / 1e6
    told = (
        f"1/10/100 texts in {times[1]:.1f}/{times[10]:.1f}/{times[100]:.1f} ms (p50 {p50:.1f}, {recorded:.1f} in the "
        f"report), {megabytes:.1f} MB, trained in {report.costs.get('train_seconds', 0):.0f} s; {_THREADS} threads: "
        f"scores {apart:.2g} apart, again: {again:.2g}"
    )
    limit = max(_SLOWER * recorded, 1.0)
    slowest = subject.recipe.gate.floors.get("p95_latency_ms", _LATENCY_MS)
    holds = p50 <= limit and times[1] <= slowest and apart <= _TOLERANCE and again <= _TOLERANCE
    holds = holds and times[100] <= 100 * max(times[1], 0.5) * 1.5
    figures = {f"ms_{count}": value for count, value in times.items()}
    figures |= {
        "p50_ms": p50,
        "megabytes": megabytes,
        "threads_apart": apart,
        "train_seconds": report.costs.get("train_seconds", 0.0),
    }
    needed = (
        f"p50 of at most {limit:.1f} ms ({_SLOWER:g} times the report's), 100 texts no dearer than alone, threads alike"
    )
    return Finding(holds, told, 100, needed, figures)


def _milliseconds(subject: Subject, texts: list[str]) -> float:
    """Return the median of five runs, after one to warm up."""
    subject.classifier.predict(texts)
    times = []
    for _ in range(5):
        started = subject.clock()
        subject.classifier.predict(texts)
        times.append((subject.clock() - started) * 1_000)
    return float(np.median(times))


def served_quality(subject: Subject) -> Finding:
    """Hold the share of right answers among served ones against the test part's."""
    told_back = told_answers(subject)
    right = sum(one.right for one in told_back)
    texts, labels = subject.held_out
    task = subject.classifier.task
    offline = task.right(task.encode(labels), subject.classifier.scores(texts))
    low = proportion_interval(int(offline.sum()), len(texts))[0]
    high = proportion_interval(right, len(told_back))[1]
    told = f"{right / len(told_back):.1%} of {len(told_back)} served answers right"
    told += f", {offline.mean():.1%} of {len(texts)} test texts"
    figures = {"served": right / len(told_back), "test": float(offline.mean())}
    return Finding(high >= low, told, len(told_back), "not surely worse than on the test part", figures)
