"""Small hand-made stand-ins: texts a model can learn, a tiny encoder, a listener that remembers."""

from __future__ import annotations

import csv
import hashlib
import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from copydesk.data.dataset import Dataset
from copydesk.progress import Advance
from copydesk.recipe import Recipe, parse_recipe

SPORT = ("goal", "match", "league", "striker", "coach", "stadium", "penalty", "referee")
MONEY = ("bank", "shares", "profit", "market", "loan", "budget", "prices", "trade")
COMMON = ("the", "a", "of", "after", "before", "new", "big", "in", "on", "city", "week", "report", "says", "and")


def toy_rows(count: int = 240, seed: int = 7) -> list[tuple[str, str]]:
    """Return distinct texts about sport or money, half each, that a bag of words can tell apart."""
    chance = random.Random(seed)
    rows: dict[str, str] = {}
    while len(rows) < count:
        label = ("sport", "money")[len(rows) % 2]
        own = chance.sample(SPORT if label == "sport" else MONEY, 3)
        words = [*own, *chance.choices(COMMON, k=chance.randint(4, 9))]
        chance.shuffle(words)
        rows.setdefault(" ".join(words), label)
    return list(rows.items())


def write_csv(path: Path, rows: Sequence[Sequence[str]], header: Sequence[str] = ("text", "label")) -> Path:
    """Write rows as CSV and return the path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def write_tiny_encoder(folder: Path) -> Path:
    """Write a BERT of 2 layers and 32 dimensions with random weights and a vocabulary of the toy words."""
    import torch
    from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers.models import WordPiece
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [*"abcdefghijklmnopqrstuvwxyz0123456789.,!?"]
    words = [*special, *SPORT, *MONEY, *COMMON, *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {word: place for place, word in enumerate(dict.fromkeys(words))}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    names = {name: f"[{name.removesuffix('_token').upper()}]" for name in ("pad_token", "unk_token", "cls_token")}
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=64,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        sep_token="[SEP]",
        mask_token="[MASK]",
        **names,
    )
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    folder.mkdir(parents=True)
    BertModel(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def tiny_recipe(encoder: Path) -> Recipe:
    """Return a recipe for the toy texts with a tiny encoder that is not exported: that takes seconds."""
    return parse_recipe(
        {
            "name": "toy",
            "model": {"kind": "encoder", "encoder": str(encoder), "max_tokens": 32},
            "train": {"epochs": 4, "learning_rate": 0.01, "batch_tokens": 256},
            "runtime": {"precision": "none"},
        }
    )


_EXPORTED: dict[str, Any] = {}


def exported_once(model: Any) -> Any:  # noqa: ANN401 (an encoder, its ONNX network: heavy to import)
    """Return the encoder's network as `runtime.export.exported` does, for each encoder only once: it takes seconds."""
    from copydesk.runtime.export import exported

    digest = hashlib.sha256(str(model.reader.reading).encode())
    for weights in model.network.state_dict().values():
        digest.update(weights.cpu().numpy().tobytes())
    key = digest.hexdigest()
    if key not in _EXPORTED:
        _EXPORTED[key] = exported(model)
    return _EXPORTED[key]


class FakeModel:
    """Answers with fixed logits by the text's first word; unknown words get equal logits."""

    kind = "fake"

    def __init__(self, by_word: dict[str, Sequence[float]], labels: int) -> None:
        self.by_word, self.labels = by_word, labels
        self.seen: list[str] = []

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.seen.extend(texts)
        nothing = [0.0] * self.labels
        rows = [self.by_word.get((text.split() or [""])[0], nothing) for text in texts]
        return np.array(rows, np.float32).reshape(len(texts), self.labels)

    def save(self, folder: Path) -> None:
        (folder / "fake.json").write_text("{}", "utf-8")


class Listener:
    """A progress listener that remembers what it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []
        self.tracked: dict[str, int] = {}

    def say(self, line: str) -> None:
        self.said.append(line)

    def warn(self, line: str) -> None:
        self.warned.append(line)

    @contextmanager
    def track(self, what: str, total: int, unit: str) -> Iterator[Advance]:
        self.tracked[what] = 0

        def advance(amount: int, note: str = "") -> None:
            self.tracked[what] += amount

        yield advance


class Clock:
    """A clock that moves on by a fixed step at every look."""

    def __init__(self, step_s: float = 0.001) -> None:
        self.now, self.step_s = 0.0, step_s

    def __call__(self) -> float:
        self.now += self.step_s
        return self.now


class WordScores:
    """A model that adds up the logits of the words in a text, whatever their case."""

    kind = "fake"

    def __init__(self, by_word: dict[str, Sequence[float]], outputs: int) -> None:
        self.by_word, self.outputs = by_word, outputs
        self.asked = 0

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += len(texts)
        rows = np.zeros((len(texts), self.outputs), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"[\w']+", text.casefold()):
                row += np.array(self.by_word.get(word, [0.0] * self.outputs), np.float32)
        return rows

    def save(self, folder: Path) -> None:
        (folder / "fake.json").write_text("{}", "utf-8")


class FakeRegistry:
    """A registry in memory, of bundles that stay where they are; `open` returns a version's."""

    def __init__(self) -> None:
        self.bundles: dict[int, Any] = {}
        self.facts: dict[int, Any] = {}
        self.aliases: dict[str, int] = {}
        self.lines: list[Any] = []
        self.kept: dict[tuple[int, str], dict[str, Any]] = {}

    def names(self) -> list[str]:
        return ["toy"] if self.bundles else []

    def add(self, bundle: Any, name: str, facts: Any) -> Any:  # noqa: ANN401 (a Bundle, Facts: heavy to import)
        version = len(self.bundles) + 1
        self.bundles[version], self.facts[version] = bundle, facts
        return self.find(name, version)

    def versions(self, name: str) -> list[Any]:
        return [self.find(name, version) for version in sorted(self.bundles, reverse=True)]

    def find(self, name: str, which: int | str) -> Any:  # noqa: ANN401 (a Registered: heavy to import)
        from copydesk.registry.base import Registered

        version = self.aliases[which] if isinstance(which, str) else which
        aliases = tuple(alias for alias, there in self.aliases.items() if there == version)
        return Registered(name, version, self.facts[version], aliases)

    def open(self, version: Any) -> Any:  # noqa: ANN401 (Registered -> Bundle)
        return self.bundles[version.version]

    def download(self, version: Any, folder: Path) -> None:  # noqa: ANN401
        raise NotImplementedError("these bundles stay where they are")

    def point(self, name: str, change: Any) -> None:  # noqa: ANN401 (a Change)
        from copydesk.errors import Stale

        if self.aliases.get(change.alias) != change.before:
            raise Stale(f"'{change.alias}' leads elsewhere by now.")
        self.aliases[change.alias] = change.version
        self.note(name, change)

    def note(self, name: str, change: Any) -> None:  # noqa: ANN401 (a Change)
        self.lines.append(change)

    def history(self, name: str) -> list[Any]:
        return list(self.lines)

    def attach(self, version: Any, kind: str, content: dict[str, Any]) -> None:  # noqa: ANN401
        self.kept[version.version, kind] = content

    def attached(self, version: Any, kind: str) -> dict[str, Any] | None:  # noqa: ANN401
        return self.kept.get((version.version, kind))


def noisy(dataset: Dataset, share: float) -> Dataset:
    """Return the Dataset with such a share of its training labels drawn by lot."""
    chance = random.Random(4)
    labels = [
        chance.choice(["sport", "money"]) if part == "train" and chance.random() < share else label
        for part, label in zip(dataset.frame["split"], dataset.frame["label"], strict=True)
    ]
    return Dataset(dataset.frame.with_columns(pl.Series("label", labels)), dataset.manifest)
