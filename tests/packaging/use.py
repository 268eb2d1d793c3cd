"""What a user's own code does with the public interface; only type-checked, never run."""

from pathlib import Path
from typing import assert_type

import kerastl

recipe = kerastl.ImageClassification(
    backbone="mobilenet_v2",
    weights=None,
    image_size=160,
    plan=kerastl.two_phase(5, 5),
    augment=kerastl.Augment(views=4),
    head=kerastl.Head(dropout=0.2),
)
model = recipe.fit("photos", validation=0.2, seed=0, out=Path("run"), track="mlflow")
assert_type(model, kerastl.TrainedModel)
assert_type(model.class_names, tuple[str, ...])
figures: float = model.evaluate("photos/test")["accuracy"]
bundle = model.export("bundle", formats=("onnx",), quantize=("int8",), gate=kerastl.Gate())
assert_type(bundle, kerastl.Bundle)
assert_type(kerastl.verify("bundle"), kerastl.Bundle)
loaded: kerastl.TrainedModel = kerastl.load("run")
names: list[str] = [record.name for record in kerastl.list_backbones("image")]

vectors = kerastl.TextEmbedding(backbone="minilm_l6").fit("questions.csv")
assert_type(vectors, kerastl.EmbeddingModel)

try:
    kerastl.load("nothing")
except kerastl.RunError as error:
    print(error)
