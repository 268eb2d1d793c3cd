"""Workarounds for faults of other libraries: right with the fault and without it, and no traces.

Whether upstream still has the faults is printed by ``make upstream``.
"""

from __future__ import annotations

import os
import sys
import types

import keras
import pytest
import tensorflow as tf
from keras import layers

from kerastl.formats import onnx_conversion, onnx_passes
from tests.upstream.workarounds import (
    WORKAROUNDS,
    frozen_of,
    network_of,
    plain_onnx,
    pooled,
)

from .conftest import CLASS_NAMES, HEIGHT, WIDTH


@pytest.mark.parametrize("workaround", WORKAROUNDS, ids=lambda item: item.name)
def test_the_route_is_right_whether_or_not_upstream_is(workaround, tmp_path):
    for package in workaround.packages:
        pytest.importorskip(package.replace("-", "_"))
    workaround.check(tmp_path)


def test_pads_are_guarded_for_runtimes_that_fold_them():
    opset = onnx_passes.LAST_OPSET_OF_RUNTIMES_THAT_FOLD_PADS
    assert opset >= onnx_conversion.OPSET
    model = plain_onnx(pooled())
    # No runtime that reads a later opset has the fault.
    assert onnx_passes.guard_pads(model, opset=opset + 1) == 0
    assert onnx_passes.guard_pads(model, opset=opset) == 1


def test_nothing_of_a_roll_is_left_in_the_graph():
    class Rolled(layers.Layer):
        def call(self, x):
            return keras.ops.roll(x, (-1, 2), axis=(1, 2))

    frozen = frozen_of(network_of(Rolled()))
    assert "Roll" not in {node.op for node in frozen.graph.as_graph_def().node}


def globals_of(*packages):
    """What the modules of packages hold: functions, methods, classes and modules."""
    code = (types.FunctionType, classmethod, staticmethod, property)
    kept = {}
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in packages and isinstance(module, types.ModuleType):
            for key, value in vars(module).items():
                if callable(value) or isinstance(value, types.ModuleType):
                    kept[name, key] = value
                if isinstance(value, type):
                    for item, member in vars(value).items():
                        if isinstance(member, code):
                            kept[name, key, item] = member
    return kept


def assert_unchanged(before, after):
    """Nothing that was there is another or gone; what was imported meanwhile may be new."""
    assert len(before) > 1000
    assert [key for key, value in before.items() if after.get(key) is not value] == []


def test_an_export_leaves_keras_and_the_environment_as_they_were(trained, tmp_path):
    from kerastl.bundles import export

    modules, environment = set(sys.modules), dict(os.environ)
    before = globals_of("keras", "tf2onnx")
    policy, path = keras.config.dtype_policy(), list(sys.path)
    export(
        trained.network,
        tmp_path / "bundle",
        class_names=CLASS_NAMES,
        examples=trained.x_val[:8],
    )
    assert_unchanged(before, globals_of("keras", "tf2onnx"))
    assert dict(os.environ) == environment
    assert keras.config.dtype_policy() is policy
    assert sys.path == path
    # The converters ran elsewhere.
    assert not [name for name in set(sys.modules) - modules if name.startswith("tf2onnx")]


def test_a_conversion_in_this_process_leaves_nothing_patched(trained, tmp_path):
    import tf2onnx
    from tf2onnx.handler import tf_op

    def handlers():
        return {
            (domain, version, name): handler
            for domain, versions in tf_op._OPSETS.items()
            for version, table in enumerate(versions)
            for name, handler in table.items()
        }

    # Handlers are registered when the first conversion imports them.
    plain_onnx(network_of(layers.ReLU()))
    before, registered = globals_of("keras", "tf2onnx"), handlers()
    frozen = frozen_of(trained.network, (HEIGHT, WIDTH, 3))
    onnx_conversion.write(
        frozen,
        tmp_path / "m.onnx",
        {},
        inputs={frozen.inputs[0].name: "image"},
        outputs={frozen.outputs[0].name: "probabilities"},
    )
    assert_unchanged(before, globals_of("keras", "tf2onnx"))
    assert handlers() == registered
    assert tf2onnx.convert is before["tf2onnx", "convert"]


def test_a_failed_trace_leaves_nothing_patched():
    from keras.src.backend.tensorflow import nn, numpy

    class Broken(layers.Layer):
        def call(self, x):
            if nn.tf is not tf:
                raise RuntimeError("traced under the patch")
            return x

    with pytest.raises(RuntimeError, match="traced under the patch"):
        frozen_of(network_of(Broken()))
    assert nn.tf is tf
    assert numpy.tf is tf
