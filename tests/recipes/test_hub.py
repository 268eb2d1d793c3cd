"""A backbone of KerasHub through a whole recipe: training by stages, saving, loading."""

import numpy as np
import pytest

import kerastl
from kerastl.training import SilentReporter

pytest.importorskip("keras_hub")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["deit_tiny_distilled_patch16_224", "dinov2_small", "hgnetv2_b0"])
def test_fine_tuning_from_a_layer(name, colour_folder, tmp_path):
    size = 42 if name == "dinov2_small" else 32
    stage = "stage_3" if name == "hgnetv2_b0" else "layer_10"
    recipe = kerastl.ImageClassification(
        backbone=f"{name}@none",
        image_size=size,
        batch_size=8,
        augment=None,
        plan=kerastl.two_phase(1, 1, train_from=stage),
    )
    with pytest.warns(UserWarning, match="random weights"):
        model = recipe.fit(colour_folder, out=tmp_path / "run", reporter=SilentReporter())
    assert model.provenance["backbone"]["preprocessing"].startswith("(x / 255")
    images = np.random.default_rng(0).integers(0, 256, (4, size, size, 3)).astype(np.uint8)
    loaded = kerastl.load(tmp_path / "run")
    np.testing.assert_array_equal(
        loaded.predict(images).probabilities, model.predict(images).probabilities
    )
    first, second = model.history
    assert first["train_from"] == "head"
    assert second["train_from"] == stage
