"""An ONNX network's matrix products in int8: weights by column, activations by token.

Usual dynamic quantisation takes one scale for all activations of a batch, so that a text's answer depends on the texts
it happens to be batched with. Here every token (row) has its own scale, found while the network runs (as in LLM.int8,
Dettmers et al. 2022, and ZeroQuant, Yao et al. 2022): closer to the real values, and neighbours change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"
_ZERO = 128
"""The unsigned byte that stands for 0.0."""
_LARGEST = 127
_LEAST_SCALE = 1e-10


def quantised(model: ModelProto, *, weight_bits: int) -> ModelProto:
    """Return a copy whose products with constant matrices run in int8, for onnxruntime.

    `weight_bits` is 8 where the processor adds products in 32 bits (AVX-512 or AVX VNNI, Arm's dot product) and 7
    where it adds pairs of them in 16 bits (AVX2), which eight bits could overflow.
    """
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    matrices = dict(_products(graph))
    nodes: list[NodeProto] = []
    rows: set[str] = set()
    for node in graph.node:
        matrix = matrices.get(node.input[1]) if node.op_type == "MatMul" else None
        if matrix is None:
            nodes.append(node)
            continue
        if node.input[0] not in rows:
            nodes += _rows(graph, node.input[0], matrix.dims[0])
            rows.add(node.input[0])
        nodes += _product(graph, node, matrix)
    del graph.node[:]
    graph.node.extend(nodes)
    for matrix in matrices.values():
        graph.initializer.extend(_columns(matrix, 2 ** (weight_bits - 1) - 1))
    for name, value in (
        ("int8.zero", np.uint8(_ZERO)),
        ("int8.one", np.float32(1)),
        ("int8.step", np.float32(1 / _LARGEST)),
        ("int8.least", np.float32(_LEAST_SCALE)),
        ("int8.last", np.array([-1], np.int64)),
    ):
        _constant(graph, name, value)
    _drop_unused(graph)
    if MICROSOFT not in {opset.domain for opset in result.opset_import}:
        result.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
    return result


def _products(graph: GraphProto) -> Iterator[tuple[str, TensorProto]]:
    """Yield the matrices that activations are multiplied with, by name."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in constants and len(constants[node.input[1]].dims) == 2:
            yield node.input[1], constants[node.input[1]]


def _rows(graph: GraphProto, source: str, columns: int) -> list[NodeProto]:
    """Return the nodes from activations, shape (..., columns), to bytes, shape (rows, columns), and rows' scales."""
    name = f"{source}.int8"
    _constant(graph, f"{name}.shape", np.array([-1, columns], np.int64))
    return [
        helper.make_node("Reshape", [source, f"{name}.shape"], [f"{name}.rows"]),
        helper.make_node("Abs", [f"{name}.rows"], [f"{name}.strength"]),
        helper.make_node("ReduceMax", [f"{name}.strength", "int8.last"], [f"{name}.largest"], keepdims=1),
        helper.make_node("Mul", [f"{name}.largest", "int8.step"], [f"{name}.raw"]),
        helper.make_node("Max", [f"{name}.raw", "int8.least"], [f"{name}.scale"]),
        helper.make_node("Reshape", [f"{name}.scale", "int8.last"], [f"{name}.scales"]),
        helper.make_node("Shape", [f"{name}.scales"], [f"{name}.count"]),
        helper.make_node("Expand", ["int8.zero", f"{name}.count"], [f"{name}.zeros"]),
        helper.make_node("QuantizeLinear", [f"{name}.rows", f"{name}.scales", f"{name}.zeros"], [name], axis=0),
    ]


def _product(graph: GraphProto, node: NodeProto, matrix: TensorProto) -> list[NodeProto]:
    """Return the nodes that stand for a product, from and to floats of the shapes it had."""
    source, name = node.input[0], f"{node.output[0]}.int8"
    _constant(graph, f"{name}.width", np.array([matrix.dims[1]], np.int64))
    return [
        helper.make_node(
            "MatMulIntegerToFloat",
            [f"{source}.int8", f"{matrix.name}.int8", "int8.one", f"{matrix.name}.scales", "int8.zero"],
            [f"{name}.sums"],
            domain=MICROSOFT,
        ),
        helper.make_node("Mul", [f"{name}.sums", f"{source}.int8.scale"], [f"{name}.rows"]),
        helper.make_node("Shape", [source], [f"{name}.outer"], end=-1),
        helper.make_node("Concat", [f"{name}.outer", f"{name}.width"], [f"{name}.shape"], axis=0),
        helper.make_node("Reshape", [f"{name}.rows", f"{name}.shape"], [node.output[0]]),
    ]


def _columns(matrix: TensorProto, largest: int) -> list[TensorProto]:
    """Return a matrix, shape (inputs, outputs), as signed bytes, and each column's scale."""
    values: NDArray[np.float32] = numpy_helper.to_array(matrix)
    scales = np.maximum(np.abs(values).max(axis=0), _LEAST_SCALE) / largest
    whole = np.rint(values / scales).astype(np.int8)
    return [
        numpy_helper.from_array(whole, f"{matrix.name}.int8"),
        numpy_helper.from_array(scales.astype(np.float32), f"{matrix.name}.scales"),
    ]


def _constant(graph: GraphProto, name: str, value: Any) -> None:  # noqa: ANN401 (a numpy array or number)
    graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))


def _drop_unused(graph: GraphProto) -> None:
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
