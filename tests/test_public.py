import json
import subprocess
import sys
from pathlib import Path

import pytest

import kerastl

# What exporting provides has tests of its own.
EXPORTING = {"Bundle", "Gate", "export", "verify"}


def test_the_public_names():
    assert kerastl.__all__ == [
        "Augment",
        "Bundle",
        "BundleError",
        "BundleModel",
        "Classes",
        "Comparison",
        "ConfigurationError",
        "CustomRecipe",
        "DataError",
        "EmbeddingModel",
        "Evaluation",
        "ExportError",
        "Gate",
        "GraphError",
        "Head",
        "ImageClassification",
        "ImageEmbedding",
        "KerastlError",
        "Labels",
        "MissingExtraError",
        "Number",
        "ParityError",
        "Phase",
        "Predictions",
        "Probe",
        "RunError",
        "Task",
        "TextClassification",
        "TextEmbedding",
        "TextError",
        "TextHead",
        "TrainedModel",
        "TrainingError",
        "Vector",
        "WeightsError",
        "__version__",
        "compare",
        "evaluate",
        "export",
        "few_shot",
        "freeze",
        "full",
        "get_backbone",
        "gradual",
        "head_only",
        "list_backbones",
        "load",
        "lp_ft",
        "report",
        "two_phase",
        "unfreeze",
        "verify",
    ]


@pytest.mark.parametrize("name", sorted(set(kerastl.__all__) - EXPORTING - {"__version__"}))
def test_every_name_is_there_and_documented(name):
    value = getattr(kerastl, name)
    assert value.__doc__
    assert not value.__doc__.startswith(f"{name}(")


def test_a_name_that_is_not():
    with pytest.raises(AttributeError, match="no attribute 'ImageClasification'"):
        _ = kerastl.ImageClasification
    assert dir(kerastl) == sorted(kerastl.__all__)


def test_every_error_is_a_kerastl_error():
    errors = [name for name in kerastl.__all__ if name.endswith("Error")]
    assert all(issubclass(getattr(kerastl, name), kerastl.KerastlError) for name in errors)
    assert issubclass(kerastl.WeightsError, ValueError)
    assert issubclass(kerastl.MissingExtraError, ImportError)
    assert issubclass(kerastl.ParityError, kerastl.ExportError)


def test_importing_is_light():
    program = "import kerastl, kerastl.cli, sys, json; print(json.dumps(sorted(sys.modules)))"
    # What an old typer does with a new click is not ours.
    theirs = "ignore:'click.utils:DeprecationWarning"
    result = subprocess.run(
        [sys.executable, "-W", "error", "-W", theirs, "-c", program],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.split(".")[0] for name in json.loads(result.stdout)}
    heavy = {"tensorflow", "keras", "grain", "PIL", "jax", "torch", "h5py", "onnx", "sklearn"}
    assert not loaded & heavy
    assert result.stderr == ""


def test_layers_import_only_downward():
    # Through the linter's own interface: its settings are in pyproject.toml.
    use_cases = pytest.importorskip("importlinter.application.use_cases")
    from importlinter.cli import lint_imports

    assert use_cases
    root = Path(kerastl.__file__).parents[1]
    assert lint_imports(config_filename=str(root / "pyproject.toml"), no_cache=True) == 0
