"""Embed images: take a pretrained backbone, search by image, train it on classes, export.

    python recipes/image_embedding.py PHOTOS --query new.jpg
    python recipes/image_embedding.py PHOTOS --train
    python recipes/image_embedding.py --smoke

PHOTOS is a folder; to train, it holds one folder a class.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import kerastl

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("photos", nargs="?", type=Path)
parser.add_argument("--query", type=Path, help="default: the first photo")
parser.add_argument("--train", action="store_true", help="train on the folders as classes")
parser.add_argument("--backbone", default="mobilenet_v2")
parser.add_argument("--weights", default="imagenet")
parser.add_argument("--image-size", type=int, default=160)
parser.add_argument("--out", type=Path, default=Path("out"))
parser.add_argument("--smoke", action="store_true", help="random images, seconds on a CPU")
arguments = parser.parse_args()

settings = {
    "backbone": arguments.backbone,
    "weights": arguments.weights,
    "image_size": arguments.image_size,
}
if arguments.smoke:
    folder = Path(tempfile.mkdtemp())
    random = np.random.default_rng(0)
    for index in range(48):
        name = ("dark", "light")[index % 2]
        target = folder / "photos" / name / f"{index}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 100, (40, 40, 3)) + 150 * (index % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(target)
    arguments.photos, arguments.out, arguments.train = folder / "photos", folder, True
    phase = kerastl.Phase("all", 2, 1e-3, loss="contrastive", batch_norm=True)
    settings = {"backbone": "mobilenet_0.25", "weights": None, "image_size": 32, "plan": (phase,)}
elif arguments.photos is None:
    parser.error("give a folder of photos, or --smoke")

# 1. A recipe says what to do, and does nothing yet.
recipe = kerastl.ImageEmbedding(**settings)

# 2. The backbone as it is, or trained so that photos of one class lie near one another.
photos = [path for path in sorted(arguments.photos.rglob("*.*")) if path.is_file()]
if arguments.train:
    model = recipe.fit(arguments.photos, seed=0, out=arguments.out / "run")
    print("validation:", model.metrics)
else:
    # A few photos go with it, to prove an export.
    model = recipe.pretrained(photos)
    model.save(arguments.out / "run")

# 3. A run directory is read back as the same model. Photos are embedded once for all searches.
model = kerastl.load(arguments.out / "run")
vectors = model.embed(photos)
query = arguments.query or photos[0]
print("most similar to", query.name)
for position, cosine in model.search(query, vectors, top=3)[0]:
    print(f"  {cosine:.3f}  {photos[position]}")

# 4. Every exported file is run in its own runtime, from file to vector.
formats = ("onnx",) if arguments.smoke else ("saved_model", "onnx", "litert")
bundle = model.export(arguments.out / "bundle", formats=formats)
for artifact in bundle.artifacts:
    print(artifact.path, artifact.bytes, "bytes, vectors agree:", artifact.label_agreement)
