"""Classify photos: train a head on a frozen backbone, fine-tune, evaluate, export.

    python recipes/image_classification.py PHOTOS --weights imagenet --out out
    python recipes/image_classification.py --smoke

PHOTOS holds one folder a class, or train/ and val/ with one folder a class each.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import kerastl

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("photos", nargs="?", type=Path)
parser.add_argument("--backbone", default="mobilenet_v2")
parser.add_argument("--weights", default="imagenet")
parser.add_argument("--image-size", type=int, default=160)
parser.add_argument("--out", type=Path, default=Path("out"))
parser.add_argument("--smoke", action="store_true", help="random images, seconds on a CPU")
arguments = parser.parse_args()

if arguments.smoke:
    folder = Path(tempfile.mkdtemp())
    random = np.random.default_rng(0)
    for index in range(48):
        name = ("dark", "light")[index % 2]
        target = folder / "photos" / name / f"{index}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 100, (40, 40, 3)) + 150 * (index % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(target)
    arguments.photos, arguments.out = folder / "photos", folder
    arguments.backbone, arguments.weights, arguments.image_size = "mobilenet_0.25", None, 32
elif arguments.photos is None:
    parser.error("give a folder of photos, or --smoke")

# 1. A recipe says what to do, and does nothing yet.
recipe = kerastl.ImageClassification(
    backbone=arguments.backbone,
    weights=arguments.weights,
    image_size=arguments.image_size,
    plan=kerastl.full(2, batch_norm=True) if arguments.smoke else kerastl.two_phase(),
)

# 2. fit does it. A fifth of the photos is held back where there is no val/ folder.
model = recipe.fit(arguments.photos, seed=0, out=arguments.out / "run")
print("validation:", model.metrics)

# 3. A run directory is read back as the same model.
model = kerastl.load(arguments.out / "run")
photo = next(path for path in sorted(arguments.photos.rglob("*.*")) if path.is_file())
prediction = model.predict([photo])
print(photo.name, "is", prediction.labels[0], "with", float(prediction.confidences[0]))

# 4. Every exported file is run in its own runtime, and has to answer like the model.
formats = ("onnx",) if arguments.smoke else ("saved_model", "onnx", "litert")
bundle = model.export(
    arguments.out / "bundle",
    formats=formats,
    quantize=() if arguments.smoke else ("float16", "int8"),
)
for artifact in bundle.artifacts:
    print(artifact.path, artifact.bytes, "bytes, labels agree:", artifact.label_agreement)
