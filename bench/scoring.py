"""Scoring speed and quality: the usual ways to run a fine-tuned encoder and Copydesk's, one model, one run.

    python bench/scoring.py --bundle DIR --data headlines.parquet [--cascade DIR] [--texts 2000] [--rounds 3]

DIR is a bundle of an encoder trained on that data (`copydesk train`), `--cascade` one of the same encoder's cascade.
The texts are the recipe's own test part, in its order; speed is the median of the rounds, in texts per second,
tokenising included. All contestants run the same weights, and each its own way:

  pipeline, batch 1 / 32    transformers.pipeline("text-classification"), which pads each batch to its longest text
  torch, by length          a tight loop: tokenised at once, batches of 32 by length, inference mode
  onnxruntime fp32          the exported network, batches of 32 by length, onnxruntime's own threads
  copydesk                  the bundle as it is, through `Classifier.scores`; one text at a time too
  cascade                   the cascade's bundle, likewise

Quality is accuracy (or the task's headline metric) on the same texts; `same` the share of answers equal to torch's. The
share of the ceiling is the arithmetic of the encoder's matrix products against the fastest fp32 product measured here.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BertPreTrainedModel, TextClassificationPipeline
from transformers.modeling_outputs import SequenceClassifierOutput

from copydesk.bundle import open_bundle
from copydesk.data.prepare import prepare_dataset
from copydesk.models.compiled import CompiledModel, network_inputs, silent_onnxruntime
from copydesk.models.cores import allowed_cores, features
from copydesk.models.encoder import EncoderModel, PooledClassifier, quiet_transformers
from copydesk.models.tokens import Tokens
from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.recipe import override
from copydesk.runtime.engine import Classifier
from copydesk.runtime.export import exported, write_network

Logits = np.ndarray
Answer = Callable[[Sequence[str]], Logits]
_BATCH = 32
_SINGLE = 60
"""So many texts are answered one at a time."""
_SLOW = 4
"""The one-by-one contestants get so much fewer texts."""


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--data", required=True, help="the data the bundle was trained on")
    parser.add_argument("--cascade", type=Path)
    parser.add_argument("--texts", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("transformers.pipelines.base").setLevel(logging.CRITICAL)  # it lists every architecture but ours
    bundle = open_bundle(options.bundle)
    classifier = Classifier.of(bundle)
    dataset = prepare_dataset(override(bundle.recipe, {"source": []}), options.data)
    if dataset.content_hash() != bundle.manifest["data"]:
        raise SystemExit(f"{options.data} is not the data that {options.bundle} was trained on.")
    texts, labels = (part[: options.texts] for part in dataset.part("test"))
    encoder = EncoderModel.load(bundle.layout.model)
    task, targets = classifier.task, classifier.task.encode(labels)
    tokens = encoder.encode(texts)
    ceiling = _ceiling(encoder, tokens)
    mean = tokens.lengths.sum() / tokens.texts
    print(f"{len(texts):,} test texts of {mean:.1f} tokens; {allowed_cores()} cores, {', '.join(features())}")
    print(f"ceiling of fp32 matrix products: {ceiling:,.0f} texts/s")
    folder = tempfile.TemporaryDirectory()
    contestants: dict[str, tuple[Answer, int]] = {
        "pipeline, batch 1": (_pipeline(encoder, 1), len(texts) // _SLOW),
        f"pipeline, batch {_BATCH}": (_pipeline(encoder, _BATCH), len(texts)),
        "torch, by length": (_torch_loop(encoder), len(texts)),
        "onnxruntime fp32": (_plain_onnxruntime(encoder, Path(folder.name)), len(texts)),
        f"copydesk, {_precision(classifier)}": (classifier.model.logits, len(texts)),
    }
    cascade = Classifier.load(options.cascade) if options.cascade else None
    rates: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        for name, (answer, most) in contestants.items():
            rates.setdefault(name, []).append(_rate(answer, texts[:most]))
        if cascade:
            rates.setdefault("copydesk, cascade", []).append(_rate(cascade.scores, texts))
    reference = task.answers(task.scores(encoder.logits(texts), classifier.settings.temperature))
    usual = statistics.median(rates[f"pipeline, batch {_BATCH}"])
    print(
        f"\n{'':24} {'texts/s':>9} {'min':>8} {'max':>8} {'x usual':>8} {'ceiling':>8} {task.headline:>10} {'same':>8}"
    )
    for name, found in rates.items():
        answered = cascade.scores(texts) if name.endswith("cascade") and cascade else None
        if answered is None:
            answer, most = contestants[name]
            answered = task.scores(answer(texts[:most]), classifier.settings.temperature)
        quality = task.measure(targets[: len(answered)], answered).metrics[task.headline]
        same = (task.answers(answered) == reference[: len(answered)]).reshape(len(answered), -1).all(axis=1).mean()
        rate = statistics.median(found)
        print(
            f"{name:24} {rate:9,.0f} {min(found):8,.0f} {max(found):8,.0f} {rate / usual:8.1f} {rate / ceiling:8.0%} "
            f"{quality:10.4f} {same:8.2%}",
            flush=True,
        )
    _one_at_a_time(_pipeline(encoder, 1), classifier, cascade, texts)


def _rate(answer: Callable[[Sequence[str]], Any], texts: Sequence[str]) -> float:
    answer(texts[:64])
    started = time.perf_counter()
    answer(texts)
    return len(texts) / (time.perf_counter() - started)


def _one_at_a_time(usual: Answer, ours: Classifier, cascade: Classifier | None, texts: Sequence[str]) -> None:
    contestants = {"pipeline": usual, "copydesk": ours.scores} | ({"cascade": cascade.scores} if cascade else {})
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for text in texts[:_SINGLE]:
        for name, answer in contestants.items():
            started = time.perf_counter()
            answer([text])
            times[name].append((time.perf_counter() - started) * 1000)
    base = statistics.median(times["pipeline"])
    print("\none text at a time, ms:", end="")
    for name, found in times.items():
        median, slowest = statistics.median(found), np.percentile(found, 95)
        print(f"  {name} {median:.2f} (95 %: {slowest:.2f}; {base / median:.1f} x)", end="")
    print()


class _Peer(BertPreTrainedModel):  # type: ignore[misc]
    """The bundle's network in the form that transformers' pipelines take."""

    def __init__(self, network: PooledClassifier) -> None:
        config = network.body.config
        config.num_labels = network.head.out_features
        super().__init__(config)
        self.network = network

    def forward(self, **inputs: torch.Tensor) -> SequenceClassifierOutput:
        known = {
            key: value for key, value in inputs.items() if key in ("input_ids", "attention_mask", "token_type_ids")
        }
        return SequenceClassifierOutput(logits=self.network(**known)["logits"])


def text_pipeline(encoder: EncoderModel, batch: int, labels: Sequence[str] = ()) -> TextClassificationPipeline:
    """Return transformers' pipeline with the encoder's weights, its tokenizer and its limit of tokens."""
    with quiet_transformers():
        peer = _Peer(encoder.network).eval()
        if labels:
            peer.config.id2label = dict(enumerate(labels))
        return TextClassificationPipeline(
            model=peer,
            tokenizer=encoder.tokenizer,
            batch_size=batch,
            truncation=True,
            max_length=encoder.reader.reading.max_tokens,
        )


def _pipeline(encoder: EncoderModel, batch: int) -> Answer:
    pipeline = text_pipeline(encoder, batch)
    columns = encoder.network.head.out_features
    names = [pipeline.model.config.id2label[place] for place in range(columns)]

    def answer(texts: Sequence[str]) -> Logits:
        found = pipeline([_as_pair(text) for text in texts], function_to_apply="none", top_k=None)
        rows = [{one["label"]: one["score"] for one in row} for row in found]
        return np.array([[row[name] for name in names] for row in rows], np.float32)

    return answer


def _as_pair(text: str) -> str | dict[str, str]:
    first, separator, rest = text.partition(COLUMN_SEPARATOR)
    return {"text": first, "text_pair": rest.replace(COLUMN_SEPARATOR, " ")} if separator else first


def _torch_loop(encoder: EncoderModel) -> Answer:
    def answer(texts: Sequence[str]) -> Logits:
        tokens = encoder.encode(texts)
        result = np.empty((len(tokens), encoder.network.head.out_features), np.float32)
        with torch.inference_mode():
            for rows in _batches(tokens):
                result[rows] = encoder.network(**encoder.batch(tokens, rows))["logits"].numpy()
        return tokens.by_text(result)

    encoder.network.eval()
    return answer


def _plain_onnxruntime(encoder: EncoderModel, folder: Path) -> Answer:
    file = folder / "network.onnx"
    write_network(exported(encoder), file)
    session = silent_onnxruntime().InferenceSession(str(file), providers=["CPUExecutionProvider"])

    def answer(texts: Sequence[str]) -> Logits:
        tokens = encoder.encode(texts)
        result = np.empty((len(tokens), encoder.network.head.out_features), np.float32)
        for rows in _batches(tokens):
            result[rows] = session.run(None, network_inputs(encoder.reader, tokens, rows))[0]
        return tokens.by_text(result)

    return answer


def _batches(tokens: Tokens) -> list[np.ndarray]:
    order = np.argsort(-tokens.lengths, kind="stable")
    return [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]


def _precision(classifier: Classifier) -> str:
    model = classifier.model
    return model.compiled.precision if isinstance(model, CompiledModel) else "torch"


def _ceiling(encoder: EncoderModel, tokens: Tokens) -> float:
    """Return the texts per second at which fp32 matrix products alone would keep all cores busy."""
    linear = [layer for layer in encoder.network.body.modules() if isinstance(layer, torch.nn.Linear)]
    per_token = 2 * sum(layer.weight.numel() for layer in linear)
    layers, hidden = encoder.network.body.config.num_hidden_layers, encoder.network.body.config.hidden_size
    attention = 4 * layers * hidden * float((tokens.lengths.astype(np.float64) ** 2).sum())
    left, right = torch.ones(512, hidden), torch.ones(4 * hidden, hidden)
    times = []
    for _ in range(50):
        started = time.perf_counter()
        torch.nn.functional.linear(left, right)
        times.append(time.perf_counter() - started)
    flops = 2 * left.numel() * right.shape[0] / min(times)
    return tokens.texts / ((per_token * int(tokens.lengths.sum()) + attention) / flops)


if __name__ == "__main__":
    main()
