"""A fine-tuned encoder to an ONNX network: inputs `input_ids`, `attention_mask`, `token_type_ids`; output `logits`.

Needs torch and onnxscript; what comes out does not.
"""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, external_data_helper, helper, numpy_helper

from copydesk.errors import EncoderError, MissingExtra
from copydesk.models.encoder import EncoderModel, PooledClassifier, quiet_transformers

_OPSET = 20
_LARGEST_BYTES = 2_000_000_000
"""ONNX files are protocol buffers, which end at 2 GiB; weights pass through one before they are shared."""
_WORTH_SHARING_BYTES = 4_096


class _Exported(torch.nn.Module):
    """The network with inputs that have an order."""

    def __init__(self, network: PooledClassifier, names: list[str]) -> None:
        super().__init__()
        self.network = network
        self.names = names

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(**dict(zip(self.names, inputs, strict=True)))["logits"]
        return logits


def exported(model: EncoderModel) -> ModelProto:
    """Return the network for any number of rows and tokens. Raises `EncoderError` where torch cannot export it."""
    try:
        import onnxscript  # noqa: F401 (torch.onnx needs it)
    except ImportError:
        raise MissingExtra("Exporting the encoder", "train", "onnxscript") from None
    size = sum(weights.nbytes for weights in model.network.parameters())
    if size > _LARGEST_BYTES:
        raise EncoderError(
            f"The encoder cannot be exported to ONNX: its {size / 1e9:.1f} GB are more than a file holds"
        )
    names = ["input_ids", "attention_mask"] + ["token_type_ids"] * model.reader.marks.segments
    ids = torch.full((3, 8), model.reader.marks.padding + 1)
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    rows, tokens = torch.export.Dim("rows"), torch.export.Dim("tokens", max=model.reader.reading.max_tokens)
    network = model.network.to("cpu").eval()
    try:
        with _plain_attention(network), _silence():
            program = torch.onnx.export(
                _Exported(network, names),
                (ids, mask, torch.zeros_like(ids))[: len(names)],
                dynamo=True,
                input_names=names,
                output_names=["logits"],
                dynamic_shapes=(tuple({0: rows, 1: tokens} for _ in names),),
                opset_version=_OPSET,
                verbose=False,
            )
    except Exception as error:  # the exporter raises whatever the architecture made fail
        raise EncoderError(f"The encoder cannot be exported to ONNX: {str(error).splitlines()[0]}") from error
    assert program is not None  # it is with dynamo=True
    result: ModelProto = program.model_proto
    del result.graph.value_info[:]  # shapes of the example, of no use afterwards
    for part in (result, result.graph, *result.graph.node, *result.graph.initializer):
        for remark in ("doc_string", "metadata_props"):  # where in whose source files it came from
            if remark in part.DESCRIPTOR.fields_by_name:
                part.ClearField(remark)
    return result


@contextmanager
def _plain_attention(network: PooledClassifier) -> Iterator[None]:
    """Let attention be written out: the graph of fused attention is twice as long and runs no faster."""
    before = network.body.config._attn_implementation
    network.body.set_attn_implementation("eager")
    try:
        yield
    finally:
        network.body.set_attn_implementation(before)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the exporter's remarks about itself from the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), quiet_transformers():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def write_network(model: ModelProto, file: Path) -> None:
    """Write a network; weights that a safetensors file beside it holds, also transposed, are taken from there."""
    shared = ModelProto()
    shared.CopyFrom(model)
    known = {key: place for weights in sorted(file.parent.glob("*.safetensors")) for key, place in _stored(weights)}
    turned = []
    for tensor in shared.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.nbytes < _WORTH_SHARING_BYTES or values.dtype != np.float32:
            continue
        if place := known.get(_key(values)):
            _refer(tensor, values.shape, *place)
        elif values.ndim == 2 and (place := known.get(_key(values.T))):
            name = tensor.name
            tensor.name = f"{name}.stored"
            _refer(tensor, values.T.shape, *place)
            turned.append(helper.make_node("Transpose", [tensor.name], [name], perm=[1, 0]))
    nodes = [*turned, *shared.graph.node]
    del shared.graph.node[:]
    shared.graph.node.extend(nodes)
    file.write_bytes(shared.SerializeToString())


def _stored(weights: Path) -> Iterator[tuple[bytes, tuple[str, int, int]]]:
    """Yield for each float tensor of a safetensors file its key, and the file, offset and length of its bytes."""
    with weights.open("rb") as file:
        begin = 8 + int.from_bytes(file.read(8), "little")
        header: dict[str, Any] = json.loads(file.read(begin - 8))
        for name, about in header.items():
            if name == "__metadata__" or about["dtype"] != "F32":
                continue
            first, last = about["data_offsets"]
            file.seek(begin + first)
            values = np.frombuffer(file.read(last - first), np.float32).reshape(about["shape"])
            yield _key(values), (weights.name, begin + first, last - first)


def _key(values: NDArray[np.float32]) -> bytes:
    return hashlib.sha256(repr(values.shape).encode() + np.ascontiguousarray(values).tobytes()).digest()


def _refer(tensor: TensorProto, shape: tuple[int, ...], file: str, offset: int, length: int) -> None:
    del tensor.dims[:]
    tensor.dims.extend(shape)
    tensor.raw_data = b""  # the helper wants some
    external_data_helper.set_external_data(tensor, file, offset, length)
    tensor.ClearField("raw_data")
