"""A fine-tuned encoder without torch: an ONNX network run by onnxruntime, read by the same reader as in training.

Made by `runtime/compile.py`. Its folder holds the encoder's own files too: the network takes what weights it can from
the safetensors file, through a memory map, so that they are there once.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copydesk.errors import BundleError, MissingExtra
from copydesk.files import write_json
from copydesk.models.batches import Indices, budget_batches
from copydesk.models.cores import allowed_cores, features
from copydesk.models.reader import Reader
from copydesk.models.tokens import Tokens

NETWORK_FILE = "network.onnx"
SETTINGS_FILE = "runtime.json"
BATCH_TOKENS = 256
"""Small enough for a core's own cache; more gained nothing (docs/LOG.md)."""

Floats = NDArray[np.float32]
Run = Callable[[dict[str, Indices]], Floats]


@dataclass(frozen=True)
class Compiled:
    """What `runtime.json` holds: the precision, the number of outputs, and what was measured to choose it."""

    precision: str
    outputs: int
    facts: dict[str, Any] = field(default_factory=dict)


class CompiledModel:
    """An encoder that answers through onnxruntime. Several threads may call it at once."""

    kind = "encoder"

    def __init__(self, folder: Path, reader: Reader, compiled: Compiled, run: Run) -> None:
        self.folder = folder
        self.reader = reader
        self.compiled = compiled
        self._run = run

    @cached_property
    def chosen_elsewhere(self) -> str:
        """Why its int8 may not be right for this machine; "" where it is, and for fp32, which is right anywhere.

        Without the instructions it was made for, sums of bytes may overflow, and answers differ.
        """
        noted, here = self.compiled.facts.get("processor"), features()
        if self.compiled.precision != "int8" or noted is None or set(noted) == set(here):
            return ""
        return (
            f"Its int8 was chosen on a processor with {', '.join(noted) or 'no vector extensions'}; this one has "
            f"{', '.join(here) or 'none'}, so that speed, and where a feature is missing answers, may differ."
        )

    def logits(self, texts: Sequence[str]) -> Floats:
        """Return raw outputs, shape (n, outputs), in the order of the texts, computed in order of length."""
        return self.logits_of(self.reader.encode(texts))

    def logits_of(self, tokens: Tokens) -> Floats:
        """Return raw outputs of already encoded texts, the mean of a text's rows; a batch on each allowed core."""
        result = np.empty((len(tokens), self.compiled.outputs), np.float32)

        def compute(rows: Indices) -> None:
            result[rows] = self._run(network_inputs(self.reader, tokens, rows))

        batches = budget_batches(tokens.lengths, BATCH_TOKENS)
        if len(batches) == 1 or self._cores == 1:
            for batch in batches:
                compute(batch)
        else:
            for _ in self._pool.map(compute, batches):
                pass
        return tokens.by_text(result)

    @cached_property
    def _cores(self) -> int:
        return allowed_cores()

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._cores, thread_name_prefix="copydesk-encoder")

    def save(self, folder: Path) -> None:
        """Copy the folder it was loaded from."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)

    @classmethod
    def load(cls, folder: Path) -> CompiledModel:
        """Read a folder with `runtime.json`. Raises `MissingExtra`, or `BundleError` for a broken file."""
        compiled = Compiled(**json.loads((folder / SETTINGS_FILE).read_text("utf-8")))
        return cls(folder, Reader.load(folder), compiled, session(folder / NETWORK_FILE))


def network_inputs(reader: Reader, tokens: Tokens, rows: Indices) -> dict[str, Indices]:
    """Return these rows as an exported network takes them: what torch may leave out is always there."""
    batch = tokens.padded(rows, reader.marks.padding)
    shape = batch["input_ids"].shape
    batch.setdefault("attention_mask", np.ones(shape, np.int64))
    if reader.marks.segments:
        batch.setdefault("token_type_ids", np.zeros(shape, np.int64))
    return batch


def is_compiled(folder: Path) -> bool:
    """Tell whether a model's folder holds a network that runs without torch."""
    return (folder / SETTINGS_FILE).is_file()


def write_settings(folder: Path, compiled: Compiled) -> None:
    """Write `runtime.json`."""
    write_json(folder / SETTINGS_FILE, asdict(compiled))


def silent_onnxruntime() -> Any:  # noqa: ANN401 (a module without types)
    """Import onnxruntime so that it reports to nobody. Raises `MissingExtra`.

    From 1.29 on, importing it is enough to write a device's id into the user's cache and to send an event; its own call
    to switch that off comes after. Only this variable, set before, prevents it (its Privacy.md).
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtra("The encoder", "serve", "onnxruntime") from None
    onnxruntime.disable_telemetry_events()  # where somebody else imported it before
    return onnxruntime


def session(network: Path) -> Run:
    """Return a function that runs an ONNX network in the calling thread, on one core."""
    onnxruntime = silent_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # batches run beside each other: no thread waits for another within one
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        runner = onnxruntime.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no class of their own
        raise BundleError(f"'{network}' cannot be loaded by onnxruntime {onnxruntime.__version__}: {error}") from error

    def run(inputs: dict[str, Indices]) -> Floats:
        outputs: Floats = runner.run(["logits"], inputs)[0]
        return outputs

    return run
