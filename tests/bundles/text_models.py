"""Tiny text models, trained on nothing: what an export proves does not depend on skill."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np

from kerastl.backbones import MASK_LAYER, FixedLength, PaddingMask
from kerastl.backbones.text_build import flatten
from kerastl.heads import TextHead, attach_outputs, pool
from kerastl.inputs import Text
from kerastl.model import EmbeddingModel, TrainedModel
from kerastl.outputs import Classes, Labels, Number, Vector
from kerastl.samples import Samples
from kerastl.task import Task
from kerastl.text import Tokenizer

WORDS = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "a", "film", "Film", "train", "was",
    "good", "GOOD", "bad", "Bad", "very", "not", "##ness", "##s", "slow", "late", "great", "!",
    ".", ",", "é", "##é", "caf", "日", "😀", "b", "##b", "##a", "x", "##x", "(", ")", "3",
]  # fmt: skip
MAX_LENGTH = 16
NAMES = ("bad, or worse", "gut", "très bien")


def texts(count=64, seed=0):
    """Of one to thirty words: some are cut, some hold capitals and accents."""
    generator = np.random.default_rng(seed)
    pool = "the film Film train was good GOOD bad Bads very not slow late great ! café 日 (3) ok"
    counts = generator.integers(1, 31, count)
    return tuple(" ".join(generator.choice(pool.split(), words)) for words in counts)


def word_piece(lowercase=True):
    return Tokenizer.from_vocabulary(WORDS, lowercase=lowercase, max_length=64)


# What the encoders of other families are made of, beside or in place of BERT's settings.
FAMILIES = {
    "BertBackbone": {},
    "DistilBertBackbone": {},
    "RobertaBackbone": {},
    "XLMRobertaBackbone": {},
    "DebertaV3Backbone": {"bucket_size": 8},
    "AlbertBackbone": {"embedding_dim": 16},
    "ElectraBackbone": {"embedding_dim": 16, "vocabulary_size": None, "vocab_size": len(WORDS)},
    "FNetBackbone": {"num_heads": None},
    "T5Backbone": {"max_sequence_length": None, "use_gated_activation": False},
}


def encoder(tokenizer, family="BertBackbone"):
    """Token ids to hidden states."""
    import keras_hub

    keras.utils.set_random_seed(7)
    settings = {
        "vocabulary_size": max(tokenizer.vocabulary_size, 8),
        "num_layers": 2,
        "num_heads": 2,
        "hidden_dim": 32,
        "intermediate_dim": 64,
        "max_sequence_length": 64,
        **FAMILIES[family],
    }
    backbone = getattr(keras_hub.models, family)(
        **{name: value for name, value in settings.items() if value is not None}
    )
    for weight in backbone.weights:
        if len(weight.shape) > 1:
            weight.assign(weight * 4)
    return flatten(backbone, pad_id=tokenizer.pad_id, fill_up_to=_fixed_length(family))


def _fixed_length(family):
    return MAX_LENGTH if family == "FNetBackbone" else None


def mask_of(model, tokenizer, family="BertBackbone"):
    """Which tokens are no padding; FNet has no use for it, and what is on top of it does."""
    if any(layer.name == MASK_LAYER for layer in model.layers):
        return model.get_layer(MASK_LAYER).output
    mask = PaddingMask(tokenizer.pad_id, name=MASK_LAYER)(model.inputs[0])
    return FixedLength(_fixed_length(family), 0, name="fixed_length_of_mask")(mask)


def attached(tokens, mask, output, pooling, hidden=16):
    """The head of an output on hidden states."""
    if output.gives_vectors:
        return attach_outputs(pool(tokens, mask, pooling, seed=0), output, seed=0)
    head = TextHead(pooling=pooling, hidden=hidden)
    return head.attach(tokens, mask, output, pooling="mean", seed=0)


def network_of(output, *, pooling="mean", tokenizer=None, family="BertBackbone"):
    """An encoder of two layers with a head."""
    model = encoder(tokenizer, family)
    mask = mask_of(model, tokenizer, family)
    return keras.Model(model.inputs[0], attached(model.outputs[0], mask, output, pooling))


def several_model():
    """Two outputs on one encoder: any number of labels, and a number."""
    tokenizer = word_piece()
    outputs = {
        "topics": Labels(NAMES, thresholds=(0.4, 0.5, 0.6)),
        "stars": Number(quantity="stars"),
    }
    model = encoder(tokenizer)
    features = pool(model.outputs[0], mask_of(model, tokenizer), "attention", seed=0)
    made = [output.attach(features, name=name, seed=3) for name, output in outputs.items()]
    network = keras.Model(model.inputs[0], made)
    own = TrainedModel(network, Task(Text(tokenizer, MAX_LENGTH), outputs))
    for name in outputs:
        _tell_apart(own, network.get_layer(name))
    given = texts()
    answers = own.outputs(list(given))
    labels = {
        "topics": (answers["topics"] > 0.5).astype("float32"),
        "stars": answers["stars"][:, 0],
    }
    return dataclasses.replace(own, samples=Samples(given, labels, given[:8]))


def embedding_model(*, pooling="mean", dimensions=None, tokenizer=None, samples=True):
    """An encoder with its vectors as the output."""
    tokenizer = tokenizer or word_piece()
    output = Vector(dimensions=dimensions or 32, project=dimensions is not None)
    task = Task.of_one(Text(tokenizer, MAX_LENGTH), output)
    network = network_of(output, pooling=pooling, tokenizer=tokenizer)
    return EmbeddingModel(network, task, samples=Samples(texts()) if samples else None)


OUTPUTS = {
    "single_label": Classes(NAMES),
    "multi_label": Labels(NAMES),
    "regression": Number(),
}


def text_model(
    output=OUTPUTS["single_label"],
    *,
    pooling="mean",
    tokenizer=None,
    samples=True,
    max_length=MAX_LENGTH,
    family="BertBackbone",
):
    """An encoder of two layers with a head; weights are large, so that labels differ."""
    tokenizer = tokenizer or word_piece()
    network = network_of(output, pooling=pooling, tokenizer=tokenizer, family=family)
    task = Task.of_one(Text(tokenizer, max_length), output)
    own = TrainedModel(network, task)
    _tell_apart(own, network.layers[-1])
    if not samples:
        return own
    given = texts()
    [answers] = own.outputs(list(given)).values()
    labels = {
        "single_label": lambda: answers.argmax(axis=1),
        "multi_label": lambda: (answers > 0.5).astype("float32"),
        "regression": lambda: answers[:, 0],
    }[output.kind]()
    known = {output.tensor: labels}
    return dataclasses.replace(own, samples=Samples(given, known, given[:8]))


def _tell_apart(model, head):
    """Scales a last layer so that the texts get all labels, and none by a hair."""
    tokenizer = model.task.input.tokenizer
    ids = tokenizer.encode(texts(), model.task.input.max_length).ids
    inside = keras.Model(model.network.inputs, head.input).predict(tokenizer.pad(ids)[0], verbose=0)
    raw = inside @ np.asarray(head.kernel)
    head.kernel.assign(head.kernel * (2 / raw.std(axis=0)))
    head.bias.assign(-raw.mean(axis=0) * (2 / raw.std(axis=0)))
