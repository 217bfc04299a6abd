"""A fine-tuned encoder to the fastest network that answers as it does: export, try each precision, measure, choose.

A precision is taken if, on the validation part, it costs at most `max_drop` of the headline metric and gives the same
answer to at least `min_agreement` of the texts. All of it is noted in `runtime.json` and in the report.
"""

from __future__ import annotations

import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto

from copydesk.errors import EncoderError, MissingExtra
from copydesk.models.compiled import (
    NETWORK_FILE,
    Compiled,
    CompiledModel,
    session,
    silent_onnxruntime,
    write_settings,
)
from copydesk.models.cores import adds_bytes_in_32_bits, allowed_cores, features
from copydesk.models.encoder import EncoderModel
from copydesk.models.tokens import Tokens
from copydesk.progress import Progress
from copydesk.recipe import Runtime
from copydesk.runtime.export import exported, write_network
from copydesk.runtime.quantise import quantised
from copydesk.tasks import Targets, Task
from copydesk.tasks.base import Logits

_MOST_TEXTS, _MOST_TOKENS = 2_000, 60_000
"""The validation texts that every candidate answers; more would cost minutes with long texts."""
_WORTH = 1.15
"""A smaller gain is no reason for another precision: one training repeated must choose as before."""
_SAME_ENCODER = 0.02
"""Outputs of the exported network may differ from torch's by so much (absolute, and of the largest): rounding."""


@dataclass(frozen=True)
class Candidate:
    """What was measured of one precision; speed is that of all allowed cores together."""

    precision: str
    quality: float
    drop: float
    agreement: float
    texts_per_second: float
    megabytes: float
    accepted: bool


@dataclass(frozen=True)
class _Check:
    """Validation texts with torch's answers to them."""

    tokens: Tokens
    targets: Targets
    logits: Logits
    task: Task

    def quality(self, logits: Logits) -> float:
        return self.task.quality(self.task.scores(logits), self.targets)

    def drop(self, quality: float) -> float:
        """Return by how much torch is better."""
        return self._quality - quality

    def agreement(self, logits: Logits) -> float:
        """Return the share of texts with the same answer, intensities of signals aside."""
        ours = _decisions(self._tuned, logits)
        return float(np.mean([mine == other for mine, other in zip(ours, self._decisions, strict=True)]))

    @cached_property
    def _quality(self) -> float:
        return self.quality(self.logits)

    @cached_property
    def _tuned(self) -> Task:
        return self.task.decided(self.task.scores(self.logits), self.targets)

    @cached_property
    def _decisions(self) -> list[object]:
        return _decisions(self._tuned, self.logits)


def _decisions(task: Task, logits: Logits) -> list[object]:
    answers = task.decode(task.scores(logits))
    return [
        [(s.category, s.tag, s.present, s.score > 0) for s in answer.signals]
        if answer.signals is not None
        else (answer.label, answer.labels)
        for answer in answers
    ]


def compile_encoder(
    model: EncoderModel,
    task: Task,
    texts: Sequence[str],
    targets: Targets,
    rules: Runtime,
    *,
    progress: Progress,
    clock: Callable[[], float] = time.process_time,
) -> CompiledModel | EncoderModel:
    """Return what shall answer in the encoder's place: compiled, or the encoder itself where nothing else will do.

    `texts` and `targets` are the validation part. The compiled model lives in a temporary folder until it is saved.
    `clock` counts the processor's seconds of this process, on all cores: what others do must not decide.
    """
    if rules.precision == "none":
        return model
    progress.say("exporting the encoder, so that it answers without torch")
    folder = Path(tempfile.mkdtemp(prefix="copydesk-"))
    try:
        made = _compiled(model, task, texts, targets, rules, folder, progress, clock)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(made, shutil.rmtree, folder, ignore_errors=True)
    return made


def _compiled(
    model: EncoderModel,
    task: Task,
    texts: Sequence[str],
    targets: Targets,
    rules: Runtime,
    folder: Path,
    progress: Progress,
    clock: Callable[[], float],
) -> CompiledModel | EncoderModel:
    model.save(folder)
    device = next(model.network.parameters()).device
    try:
        network = exported(model)
    except EncoderError as error:
        progress.warn(f"{error}. It is kept as it is, and answers with torch.")
        return model
    finally:
        model.network.to(device)
    check = _check(model, task, texts, targets)
    candidates = []
    for precision, made in _precisions(rules, with_check=check is not None):
        write_network(made(network), _file(folder, precision))
        try:
            candidates.append(_measured(precision, _file(folder, precision), model, check, rules, clock))
        except MissingExtra:
            raise
        except Exception as error:  # onnxruntime's errors share no class of their own
            progress.warn(f"{precision} does not run on this machine: {str(error).splitlines()[0]}")
            continue
        progress.say(f"  {_line(candidates[-1], check)}")
    usable = [one for one in candidates if one.accepted or one.precision == rules.precision]
    chosen = _fastest(usable)
    if chosen is None:
        progress.warn("No exported form answers as the encoder does. It is kept as it is, and answers with torch.")
        return model
    if not chosen.accepted:
        progress.warn(f"{chosen.precision} is too far from the encoder, and used because runtime.precision says so.")
    _file(folder, chosen.precision).rename(folder / NETWORK_FILE)
    for one in candidates:
        _file(folder, one.precision).unlink(missing_ok=True)
    write_settings(folder, Compiled(chosen.precision, task.outputs, _facts(chosen, candidates, check)))
    return CompiledModel.load(folder)


def _fastest(usable: Sequence[Candidate]) -> Candidate | None:
    """Return the fastest; the first, which is the encoder itself, unless another gains more than clocks vary by."""
    if not usable:
        return None
    best = max(usable, key=lambda one: one.texts_per_second)
    return best if best.texts_per_second >= _WORTH * usable[0].texts_per_second else usable[0]


def _file(folder: Path, precision: str) -> Path:
    return folder / f"{precision}.onnx"


def _precisions(rules: Runtime, *, with_check: bool) -> list[tuple[str, Callable[[ModelProto], ModelProto]]]:
    bits = 8 if adds_bytes_in_32_bits() else 7
    known: dict[str, Callable[[ModelProto], ModelProto]] = {
        "fp32": lambda network: network,
        "int8": lambda network: quantised(network, weight_bits=bits),
    }
    if rules.precision != "auto":
        return [(rules.precision, known[rules.precision])]
    return list(known.items()) if with_check else [("fp32", known["fp32"])]


def _check(model: EncoderModel, task: Task, texts: Sequence[str], targets: Targets) -> _Check | None:
    if not len(texts):
        return None
    places = np.random.default_rng(0).permutation(len(texts))[:_MOST_TEXTS]  # files are often sorted by label
    tokens = model.encode([texts[place] for place in places])
    ends = np.cumsum(np.bincount(tokens.owner, tokens.lengths, tokens.texts))
    count = max(int(np.searchsorted(ends, _MOST_TOKENS)), 1)
    tokens = tokens.first_texts(count)
    return _Check(tokens, targets[places[: tokens.texts]], model.logits_of(tokens), task)


def _measured(
    precision: str,
    file: Path,
    model: EncoderModel,
    check: _Check | None,
    rules: Runtime,
    clock: Callable[[], float],
) -> Candidate:
    megabytes = file.stat().st_size / 1e6
    if check is None:
        return Candidate(precision, float("nan"), float("nan"), float("nan"), float("nan"), megabytes, accepted=True)
    runner = CompiledModel(file.parent, model.reader, Compiled(precision, check.task.outputs), session(file))
    logits = runner.logits_of(check.tokens)
    started = clock()
    runner.logits_of(check.tokens)
    seconds = (clock() - started) / allowed_cores()
    quality, agreement = check.quality(logits), check.agreement(logits)
    drop = check.drop(quality)
    allowed = drop <= rules.max_drop + 1e-12 and agreement >= rules.min_agreement
    if precision == "fp32":
        allowed = allowed and np.allclose(logits, check.logits, atol=_SAME_ENCODER, rtol=_SAME_ENCODER)
    return Candidate(
        precision,
        quality,
        drop,
        agreement,
        check.tokens.texts / max(seconds, 1e-9),
        megabytes,
        accepted=bool(allowed),
    )


def _line(one: Candidate, check: _Check | None) -> str:
    if check is None:
        return f"{one.precision}: no validation part to check others on"
    verdict = "" if one.accepted else ": too far from the encoder"
    return (
        f"{one.precision}: {check.task.headline} {one.quality:.4f} ({-one.drop:+z.4f}), same answer "
        f"{one.agreement:.2%}, {one.texts_per_second:,.0f} texts/s{verdict}"
    )


def _facts(chosen: Candidate, candidates: list[Candidate], check: _Check | None) -> dict[str, Any]:
    measured = [{k: None if v != v else v for k, v in asdict(one).items()} for one in candidates]
    return {
        "precision": chosen.precision,
        "checked_on": 0 if check is None else check.tokens.texts,
        "candidates": measured,
        "cores": allowed_cores(),
        "processor": list(features()),
        "onnxruntime": silent_onnxruntime().__version__,
    }
