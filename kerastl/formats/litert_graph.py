"""A LiteRT file taken apart: operators, constants, values on real images.

Works on the flatbuffer itself, through the schema that ai-edge-litert brings; TensorFlow is not
needed.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from kerastl.formats.format import Array
from kerastl.formats.litert import LiteRTSession

# Output-channel axis of the weights of each operator that has any.
CHANNEL_AXES = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
BATCH = 32
_ALIGNMENT = 16

_OPERATORS = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")
}


@dataclass(frozen=True)
class Weighted:
    """An operator with constant float32 weights.

    ``index`` is its place in the order of execution, ``opcode`` a key of :data:`CHANNEL_AXES`,
    ``operator`` the schema's object, and ``name`` that of its output tensor.
    """

    index: int
    opcode: str
    operator: Any
    name: str

    @property
    def axis(self) -> int:
        """Axis of the weights along which the output channels lie."""
        return CHANNEL_AXES[self.opcode]


class _AlignedBuffer(schema.BufferT):
    """Data that begin at a multiple of 16 bytes, as the schema asks and its Python code forgets."""

    def Pack(self, builder: Any) -> Any:  # noqa: N802 - the schema's own name
        """Writes the buffer."""
        data = None
        if self.data is not None and len(self.data):
            content = bytes(self.data)
            builder.StartVector(1, len(content), _ALIGNMENT)
            builder.head -= len(content)
            builder.Bytes[builder.head : builder.head + len(content)] = content
            data = builder.EndVector()
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


class Graph:
    """The main graph of a LiteRT file, given as bytes, open to changes."""

    def __init__(self, data: bytes) -> None:
        self.model = schema.ModelT.InitFromPackedBuf(bytearray(data), 0)
        self._graph = self.model.subgraphs[0]

    def pack(self) -> bytes:
        """The bytes of the changed file."""
        for buffer in self.model.buffers:
            buffer.__class__ = _AlignedBuffer
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self.model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    @property
    def operators(self) -> list[Any]:
        """The operators in the order of execution."""
        return list(self._graph.operators)

    @property
    def input(self) -> int:
        """Index of the input tensor."""
        return int(self._graph.inputs[0])

    def tensor(self, index: int) -> Any:
        """The schema's object of a tensor."""
        return self._graph.tensors[int(index)]

    def opcode(self, operator: Any) -> str:
        """Name of an operator, as in ``"CONV_2D"``."""
        code = self.model.operatorCodes[operator.opcodeIndex]
        return str(_OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)])

    def name(self, operator: Any) -> str:
        """Name of an operator's first output tensor."""
        return str(self.tensor(operator.outputs[0]).name.decode("utf-8"))

    def constant(self, index: int) -> Array | None:
        """A float32 constant; None where the tensor is another thing, or -1 (absent)."""
        if index < 0:
            return None
        tensor = self.tensor(index)
        data = self.model.buffers[tensor.buffer].data
        if data is None or tensor.type != schema.TensorType.FLOAT32:
            return None
        return np.frombuffer(bytes(data), np.float32).reshape(tensor.shape)

    def set_constant(self, index: int, values: Array) -> None:
        """Gives a tensor constant values of its own, and their type: float32 or int8."""
        tensor = self.tensor(index)
        # The old buffer may be shared with other tensors.
        tensor.buffer = self._add_buffer(np.ascontiguousarray(values).tobytes())
        tensor.type = schema.TensorType.INT8 if values.dtype == np.int8 else tensor.type

    def _add_buffer(self, data: bytes) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(data, np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def weighted(self) -> Iterator[Weighted]:
        """The operators with constant weights that no other operator shares."""
        used = [int(index) for operator in self._graph.operators for index in operator.inputs]
        for index, operator in enumerate(self._graph.operators):
            opcode = self.opcode(operator)
            if opcode not in CHANNEL_AXES or self.constant(operator.inputs[1]) is None:
                continue
            if used.count(int(operator.inputs[1])) == 1:
                yield Weighted(index, opcode, operator, self.name(operator))

    def weights(self, layer: Weighted) -> Array:
        """The weights of a layer."""
        found = self.constant(layer.operator.inputs[1])
        assert found is not None
        return found

    def activations(self) -> list[int]:
        """Float32 tensors that operators compute, and the input."""
        computed = {
            int(index)
            for operator in self._graph.operators
            for index in operator.outputs
            if self.tensor(index).type == schema.TensorType.FLOAT32
        }
        return sorted(computed | {self.input})

    def add_metadata(self, name: str, data: bytes) -> None:
        """Adds a metadata entry, in place of an older one of that name."""
        kept = [entry for entry in self.model.metadata or () if entry.name.decode() != name]
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, self._add_buffer(data)
        self.model.metadata = [*kept, entry]

    def fix_batch(self) -> None:
        """Makes the first dimension of every tensor what it is stored as, a batch of one.

        Dimensions of images of any size stay open.
        """
        for tensor in self._graph.tensors:
            if tensor.shapeSignature is None or not len(tensor.shapeSignature):
                continue
            signature = np.array(tensor.shapeSignature)
            signature[0] = tensor.shape[0]
            tensor.shapeSignature = signature if (signature == -1).any() else None

    def float_operators(self) -> dict[str, int]:
        """How many operators compute in float32, by opcode."""
        kinds = [
            self.opcode(operator)
            for operator in self._graph.operators
            if self.tensor(operator.outputs[0]).type == schema.TensorType.FLOAT32
        ]
        return {opcode: kinds.count(opcode) for opcode in sorted(set(kinds) - {"DEQUANTIZE"})}

    def drop_unused_buffers(self) -> None:
        """Empties buffers that no tensor or metadata refers to any more."""
        used = {tensor.buffer for graph in self.model.subgraphs for tensor in graph.tensors}
        used |= {entry.buffer for entry in self.model.metadata or ()}
        for index, buffer in enumerate(self.model.buffers):
            if index not in used:
                buffer.data = None

    def with_ranges(self, ranges: dict[int, tuple[float, float]]) -> bytes:
        """The file with the smallest and largest value of tensors written into it."""
        changed = copy.copy(self._graph.tensors)
        for index, (low, high) in ranges.items():
            entry = schema.QuantizationParametersT()
            # Zero must be representable: padding and ReLU yield it.
            entry.min = np.array([min(low, 0.0)], np.float32)
            entry.max = np.array([max(high, 0.0)], np.float32)
            changed[index].quantization = entry
        return self.pack()


def run(data: bytes, images: Array) -> dict[str, Array]:
    """Runs a LiteRT file of one input on examples ``(n, ...)``: its outputs by name, float32."""
    session = LiteRTSession(data)
    [name] = session.inputs
    parts = [
        session.run({name: np.asarray(images[start : start + BATCH], np.float32)})
        for start in range(0, len(images), BATCH)
    ]
    return {key: np.concatenate([part[key] for part in parts]) for key in session.outputs}


def values(data: bytes, images: Array, batch: int) -> Iterator[Any]:
    """Runs a float file and yields, batch by batch, a function from tensor index to values.

    All intermediate values of a batch are held in memory.
    """
    interpreter = Interpreter(
        model_content=data,
        num_threads=os.cpu_count() or 1,
        # A delegate would keep its intermediate values to itself.
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    source = interpreter.get_input_details()[0]["index"]
    for start in range(0, len(images), batch):
        chosen = images[start : start + batch].astype(np.float32)
        interpreter.resize_tensor_input(source, chosen.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(source, chosen)
        interpreter.invoke()
        yield interpreter.get_tensor


def ranges(data: bytes, images: Array, batch: int) -> dict[int, tuple[float, float]]:
    """Smallest and largest value of every float tensor that a file computes on images.

    TensorFlow's own calibrator is not used: it reads tensors whose memory an addition in place
    has overwritten, and reports for the first of them the range of both.
    """
    graph = Graph(data)
    found: dict[int, tuple[float, float]] = {}
    for value in values(data, images, batch):
        for index in graph.activations():
            array = value(index)
            low, high = found.get(index, (np.inf, -np.inf))
            found[index] = (min(low, float(array.min())), max(high, float(array.max())))
    # The input's scale is then exactly 1 and its zero point 0: uint8 pixels go in as they are.
    found[graph.input] = (0.0, 255.0)
    return found


def name_of_layer(name: str, layers: Sequence[str]) -> str:
    """The Keras layer that an operator was made of, by its tensor's name; else that name.

    >>> name_of_layer("net_1/relu_1/Relu6;net_1/bn_1/add_1;net_1/stem_1/convolution", ["stem"])
    'stem'
    """
    parts = [part for piece in name.split(";") for part in piece.split("/")]
    for part in parts:
        stripped = part.rsplit("_", 1)[0] if part.rsplit("_", 1)[-1].isdigit() else part
        for candidate in (stripped, part):
            if candidate in layers:
                return candidate
    return parts[-1] if len(parts) == 1 else "/".join(name.split(";")[0].split("/")[1:])
