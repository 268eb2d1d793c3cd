"""MediaPipe's ImageClassifier beside the LiteRT interpreter, on the same files and photos.

    python benchmarks/mediapipe_labels.py BUNDLE PHOTOS --python PYTHON

PYTHON is an interpreter with mediapipe, NumPy and nothing of kerastl. Photos are resized here, so
that both see the same pixels.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from kerastl.data import decode_image
from kerastl.formats import FORMATS

PROGRAM = """
import json, sys
import mediapipe, numpy
from mediapipe.tasks.python import BaseOptions, vision

images = numpy.load(sys.argv[1])
options = vision.ImageClassifierOptions(
    base_options=BaseOptions(model_asset_path=sys.argv[2]), max_results=-1
)
rows = []
with vision.ImageClassifier.create_from_options(options) as classifier:
    for image in images:
        image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image.copy())
        found = classifier.classify(image).classifications[0].categories
        rows.append([[c.index, c.category_name, c.score] for c in found])
print(json.dumps(rows))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--python", required=True)
    arguments = parser.parse_args()
    manifest = json.loads((arguments.bundle / "manifest.json").read_text("utf-8"))
    names, size = manifest["class_names"], manifest["input"]["shape"][1:3]
    files = sorted(p for p in arguments.photos.rglob("*") if p.is_file())
    images = np.stack([decode_image(file, size) for file in files])
    print("| file | photos | same label | largest difference | names in order |")
    print("|---|---|---|---|---|")
    worst = 0
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "images.npy", images)
        for entry in manifest["artifacts"]:
            if entry["format"] != "litert":
                continue
            path = arguments.bundle / entry["path"]
            command = [arguments.python, "-c", PROGRAM, str(Path(folder) / "images.npy"), str(path)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            rows = json.loads(done.stdout)
            session = FORMATS["litert"].open(path, 2)
            [expected] = session.run({"image": images.astype(np.float32)}).values()
            scores = np.zeros_like(expected)
            ordered = True
            for row, found in zip(scores, rows, strict=True):
                for index, name, score in found:
                    row[index] = score
                    ordered &= names[index] == name
            same = int((scores.argmax(1) == expected.argmax(1)).sum())
            difference = float(np.abs(scores - expected).max())
            print(f"| {entry['path']} | {len(images)} | {same} | {difference:.1e} | {ordered} |")
            worst += same != len(images) or not ordered
    return int(worst > 0)


if __name__ == "__main__":
    sys.exit(main())
