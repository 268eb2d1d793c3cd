"""The records of text backbones, against KerasHub's own figures."""

import re

import pytest

import kerastl
from kerastl.backbones.text_build import flatten
from kerastl.backbones.text_families import FAMILIES
from kerastl.errors import ConfigurationError

RECORDS = kerastl.list_backbones("text")
NAMES = [record.name for record in RECORDS]
# One of each family, quick to build without its vocabulary and its depth.
QUICK = {record.constructor: record for record in reversed(RECORDS)}


def test_lists_by_modality():
    both = kerastl.list_backbones()
    assert both == kerastl.list_backbones("image") + RECORDS
    assert len({record.name for record in both}) == len(both)
    assert {record.modality for record in RECORDS} == {"text"}
    assert {record.constructor for record in RECORDS} == set(FAMILIES)
    with pytest.raises(ConfigurationError, match="must be 'image' or 'text'"):
        kerastl.list_backbones("sound")


@pytest.mark.parametrize("record", RECORDS, ids=NAMES)
def test_a_record_is_complete(hub, record):
    assert kerastl.get_backbone(record.name) is record
    kind = getattr(hub.models, record.constructor)
    assert record.preset in kind.presets
    assert hasattr(hub.models, FAMILIES[record.constructor].tokenizer_class)
    assert record.max_length <= record.arguments.get("max_sequence_length", 512)
    assert record.features == record.arguments["hidden_dim"]
    assert record.parameters > record.vocabulary_size > record.pad_id
    assert record.paper.startswith("https://arxiv.org/abs/")
    assert record.licence in ("Apache-2.0", "MIT")
    assert re.compile(record.stage_pattern).groups == 1
    with pytest.raises(TypeError):
        record.arguments["num_layers"] = 1


def counts(hub, record):
    """Weights of the encoder and of all that KerasHub builds, from networks of 1 and 2 layers.

    All layers are alike, and so are all rows of a vocabulary.
    """
    kind = getattr(hub.models, record.constructor)
    size = "vocab_size" if "vocab_size" in record.arguments else "vocabulary_size"
    made = [kind(**{**record.arguments, size: 8, "num_layers": layers}) for layers in (1, 2)]
    rows = (record.vocabulary_size - 8) * record.arguments.get("embedding_dim", record.features)
    for one, two in ([flatten(b, pad_id=0).count_params() for b in made],
                     [b.count_params() for b in made]):  # fmt: skip
        yield one + (record.arguments["num_layers"] - 1) * (two - one) + rows


def check(hub, record):
    encoder, whole = counts(hub, record)
    assert encoder == record.parameters
    presets = getattr(hub.models, record.constructor).presets
    assert whole == presets[record.preset]["metadata"]["params"]


@pytest.mark.slow
@pytest.mark.parametrize("record", QUICK.values(), ids=[r.name for r in QUICK.values()])
def test_the_number_of_weights(hub, record):
    check(hub, record)


@pytest.mark.matrix
@pytest.mark.parametrize("record", RECORDS, ids=NAMES)
def test_the_number_of_weights_of_all(hub, record):
    check(hub, record)
