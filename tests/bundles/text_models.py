"""Tiny text models, trained on nothing: what an export proves does not depend on skill."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np

from kerastl.backbones import BuiltTextBackbone
from kerastl.backbones.text_build import flatten
from kerastl.heads import TextHead, attach_outputs, pool
from kerastl.model import EmbeddingModel, TextModel, TextSamples
from kerastl.outputs import Vector, output_named
from kerastl.recipes.text_recipe import padding_mask
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
    length = MAX_LENGTH if family == "FNetBackbone" else None
    return flatten(backbone, pad_id=tokenizer.pad_id, fill_up_to=length)


def mask_of(model, tokenizer):
    return padding_mask(BuiltTextBackbone(model, None, tokenizer, None))


def embedding_model(*, pooling="mean", dimensions=None, tokenizer=None, samples=True):
    """The same encoder with its vectors as the output."""
    tokenizer = tokenizer or word_piece()
    model = encoder(tokenizer)
    mask = mask_of(model, tokenizer)
    output = Vector(dimensions=dimensions, project=dimensions is not None)
    vectors = attach_outputs(pool(model.outputs[0], mask, pooling, seed=0), output, seed=0)
    return EmbeddingModel(
        keras.Model(model.inputs[0], vectors),
        (),
        provenance={"kind": EmbeddingModel.KIND},
        tokenizer=tokenizer,
        max_length=MAX_LENGTH,
        samples=TextSamples(texts(), None, ()) if samples else None,
    )


def text_model(
    kind="single_label",
    names=NAMES,
    *,
    pooling="mean",
    tokenizer=None,
    samples=True,
    thresholds=None,
    max_length=MAX_LENGTH,
    family="BertBackbone",
):
    """An encoder of two layers with a head; weights are large, so that labels differ."""
    tokenizer = tokenizer or word_piece()
    model = encoder(tokenizer, family)
    outputs = TextHead(pooling=pooling, hidden=16).attach(
        model.outputs[0],
        mask_of(model, tokenizer),
        output_named(kind)(tuple(names)),
        pooling="mean",
        seed=0,
    )
    network = keras.Model(model.inputs[0], outputs)
    own = TextModel(
        network,
        tuple(names),
        tokenizer=tokenizer,
        max_length=max_length,
        kind=kind,
        thresholds=thresholds,
    )
    _tell_apart(own)
    if not samples:
        return own
    given = texts()
    answers = own.predict(list(given)).probabilities
    if kind == "single_label":
        labels = answers.argmax(axis=1)
    else:
        labels = (answers > 0.5).astype("float32") if kind == "multi_label" else answers[:, 0]
    return dataclasses.replace(own, samples=TextSamples(given, labels, given[:8]))


def _tell_apart(model):
    """Scales the last layer so that the texts get all labels, and none by a hair."""
    head = model.network.layers[-1]
    ids = model.tokenizer.encode(texts(), model.max_length).ids
    inside = keras.Model(model.network.inputs, head.input).predict(
        model.tokenizer.pad(ids)[0], verbose=0
    )
    raw = inside @ np.asarray(head.kernel)
    head.kernel.assign(head.kernel * (2 / raw.std(axis=0)))
    head.bias.assign(-raw.mean(axis=0) * (2 / raw.std(axis=0)))
