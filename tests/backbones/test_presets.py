"""Weights of KerasHub's backbones: presets, local directories, files; and sizes."""

import dataclasses
import json

import keras
import numpy as np
import pytest

import kerastl
from kerastl.backbones import WeightsSource, build_backbone, find_weights, get_backbone
from kerastl.backbones.hub import HUB
from kerastl.backbones.presets import construct, load, read_scaling
from kerastl.errors import ConfigurationError, MissingExtraError, WeightsError
from tests.contracts.tiny import tiny_record

keras_hub = pytest.importorskip("keras_hub")
save_file = pytest.importorskip("safetensors.numpy").save_file
NONE = WeightsSource("none")


def randomised(record, size, **arguments):
    keras.utils.set_random_seed(0)
    backbone = construct(keras_hub, record, (size, size), **arguments)
    generator = np.random.default_rng(3)
    for weight in backbone.weights:
        if "float" in weight.dtype:
            weight.assign(generator.normal(0, 0.1, weight.shape))
    return backbone


def answers(backbone, size, seed=0):
    x = np.random.default_rng(seed).random((2, size, size, 3)).astype("float32")
    key = next(iter(backbone.input)) if isinstance(backbone.input, dict) else None
    return keras.ops.convert_to_numpy(backbone(x if key is None else {key: x}))


# -- architectures ------------------------------------------------------------------------


def test_every_family_has_a_record():
    assert len(HUB) >= 20
    assert {record.constructor for record in HUB} == {
        *("ResNetBackbone", "EfficientNetBackbone", "MobileNetBackbone", "DenseNetBackbone"),
        *("ViTBackbone", "DeiTBackbone", "DINOV2Backbone", "DINOV3Backbone"),
        *("SwinTransformerBackbone", "MiTBackbone", "HGNetV2Backbone", "CSPNetBackbone"),
        *("VGGBackbone", "XceptionBackbone", "CLIPVisionEncoder", "SigLIPVisionEncoder"),
        "MobileNetV5Backbone",
    }


@pytest.mark.parametrize("record", HUB, ids=lambda record: record.name)
def test_a_record_names_a_published_preset(record):
    published = {name for kind in vars(keras_hub.models).values()
                 if hasattr(kind, "presets") for name in kind.presets}  # fmt: skip
    assert record.preset is None or record.preset in published


@pytest.mark.parametrize(
    ("name", "architecture", "module"),
    [
        ("resnet18", "resnet18", "resnet"),
        ("resnet34", "resnet34", "resnet"),
        ("densenet121_timm", "densenet121", "densenet"),
        ("efficientnet_lite0", "efficientnet_lite0", "efficientnet"),
        ("efficientnet_es", "efficientnet_es", "efficientnet"),
        ("mobilenet_v3_small_0.5", "mobilenetv3_small_050", "mobilenet"),
        ("vgg11", "vgg11", "vgg"),
        ("vgg13", "vgg13", "vgg"),
        ("darknet53", "darknet53", "cspnet"),
        ("cspdarknet53", "cspdarknet53", "cspnet"),
        ("cspresnet50", "cspresnet50", "cspnet"),
        ("hgnetv2_b0", "hgnetv2_b0", "hgnetv2"),
        ("hgnetv2_b4", "hgnetv2_b4", "hgnetv2"),
        ("mobilenetv5_300m", "mobilenetv5_300m", "mobilenetv5"),
    ],
)
def test_arguments_are_those_of_kerashubs_converter(name, architecture, module):
    # KerasHub 0.32 was the first to convert HGNetV2.
    converter = pytest.importorskip(f"keras_hub.src.utils.timm.convert_{module}")
    wanted = converter.convert_backbone_config(
        {"architecture": architecture, "pretrained_cfg": {"tag": "ssld"}}
    )
    plain = json.loads(json.dumps({k: v for k, v in wanted.items() if v is not None}))
    own = get_backbone(name).arguments
    assert json.loads(json.dumps({k: own[k] for k in plain})) == plain


# -- directories --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vit_base_patch16_224", "hgnetv2_b0", "efficientnet_lite0"])
def test_a_directory_of_kerashub(name, tmp_path):
    record = tiny_record(name)
    backbone = randomised(record, 32)
    backbone.save_to_preset(tmp_path)
    source = find_weights(tmp_path)
    assert (source.origin, source.path, len(source.sha256)) == ("preset", tmp_path, 64)
    loaded = load(record, source, (32, 32))
    for own, other in zip(loaded.backbone.weights, backbone.weights, strict=True):
        np.testing.assert_array_equal(np.array(own), np.array(other), err_msg=own.path)
    assert loaded.sha256 == source.sha256
    assert loaded.preprocessing == record.preprocessing


def test_a_tower_out_of_a_directory_of_a_two_tower_model(tmp_path):
    record = tiny_record("clip_vit_base_patch32")
    tower = randomised(record, 32)
    text = keras_hub.models.CLIPTextEncoder(
        vocabulary_size=32, embedding_dim=16, hidden_dim=16, num_layers=1, num_heads=2,
        intermediate_dim=32, max_sequence_length=8)  # fmt: skip
    keras_hub.models.CLIPBackbone(tower, text, projection_dim=8).save_to_preset(tmp_path)
    loaded = load(record, find_weights(tmp_path), (32, 32))
    np.testing.assert_array_equal(answers(loaded.backbone, 32), answers(tower, 32))


def vit_directory(folder, record):
    """A Hugging Face directory of a ViT, written as transformers writes it."""
    generator = np.random.default_rng(0)
    width, inner = record.arguments["hidden_dim"], record.arguments["mlp_dim"]
    patch, layers = record.arguments["patch_size"], record.arguments["num_layers"]
    positions = (record.image_size // patch) ** 2 + 1
    shapes = {
        "embeddings.cls_token": (1, 1, width),
        "embeddings.position_embeddings": (1, positions, width),
        "embeddings.patch_embeddings.projection.weight": (width, 3, patch, patch),
        "embeddings.patch_embeddings.projection.bias": (width,),
        "layernorm.weight": (width,),
        "layernorm.bias": (width,),
    }
    for index in range(layers):
        prefix = f"encoder.layer.{index}"
        for part in ("attention.query", "attention.key", "attention.value", "output.dense"):
            shapes[f"{prefix}.attention.{part}.weight"] = (width, width)
            shapes[f"{prefix}.attention.{part}.bias"] = (width,)
        shapes[f"{prefix}.intermediate.dense.weight"] = (inner, width)
        shapes[f"{prefix}.intermediate.dense.bias"] = (inner,)
        shapes[f"{prefix}.output.dense.weight"] = (width, inner)
        shapes[f"{prefix}.output.dense.bias"] = (width,)
        for norm in ("layernorm_before", "layernorm_after"):
            shapes[f"{prefix}.{norm}.weight"] = (width,)
            shapes[f"{prefix}.{norm}.bias"] = (width,)
    arrays = {
        f"vit.{key}": generator.normal(0, 0.1, shape).astype("float32")
        for key, shape in shapes.items()
    }
    save_file(arrays, folder / "model.safetensors")
    config = {
        "model_type": "vit", "architectures": ["ViTForImageClassification"],
        "image_size": record.image_size, "patch_size": patch, "num_hidden_layers": layers,
        "num_attention_heads": record.arguments["num_heads"], "hidden_size": width,
        "intermediate_size": inner, "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0, "qkv_bias": True,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    processor = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.1, 0.2, 0.3]}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return arrays


def test_a_directory_of_hugging_face(tmp_path):
    record = tiny_record("vit_base_patch16_224")
    arrays = vit_directory(tmp_path, record)
    built = build_backbone(record, find_weights(tmp_path), (32, 32))
    paths = {w.path: np.array(w) for w in built.model.weights}
    token = next(v for k, v in paths.items() if k.endswith("class_token"))
    np.testing.assert_array_equal(token, arrays["vit.embeddings.cls_token"])
    dense = next(
        v for k, v in paths.items() if k.endswith("transformer_block_3/mlp/dense_2/kernel")
    )
    np.testing.assert_array_equal(dense, arrays["vit.encoder.layer.2.output.dense.weight"].T)
    # Pixels are mapped as the directory says, not as the record does.
    scaled = built.model.get_layer("preprocessing")(np.full((1, 1, 1, 3), 255.0))
    np.testing.assert_allclose(np.array(scaled).ravel(), [6.0, 2.5, 4 / 3], rtol=1e-6)


def test_a_directory_of_timm(tmp_path):
    record = get_backbone("vgg11")
    reference = randomised(record, 32)
    indices = (0, 3, 6, 8, 11, 13, 16, 18)
    names = [layer.name for layer in reference.layers if layer.weights]
    arrays = {}
    for name, index in zip(names, indices, strict=True):
        kernel, bias = reference.get_layer(name).get_weights()
        arrays[f"features.{index}.weight"] = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        arrays[f"features.{index}.bias"] = bias
    save_file(arrays, tmp_path / "model.safetensors")
    config = {"architecture": "vgg11", "pretrained_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    built = build_backbone(record, find_weights(tmp_path), (32, 32))
    x = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("float32")
    wanted = keras.ops.convert_to_numpy(reference((x / 255 - 0.5) / 0.25))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(built.model(x)), wanted, rtol=1e-3)


def test_weights_of_another_architecture(tmp_path):
    record = tiny_record("vit_base_patch16_224")
    randomised(record, 32).save_to_preset(tmp_path)
    wide = dataclasses.replace(record, arguments={**record.arguments, "hidden_dim": 32})
    with pytest.raises(WeightsError, match="another architecture.*hidden_dim is 16, and 32"):
        load(wide, find_weights(tmp_path), (32, 32))
    other = tiny_record("deit_tiny_distilled_patch16_224")
    with pytest.raises(WeightsError, match="holds a ViTBackbone, and deit_tiny.* is a DeiTBackb"):
        load(other, find_weights(tmp_path), (32, 32))


def test_weights_of_another_size(tmp_path):
    record = tiny_record("vit_base_patch16_224")
    randomised(record, 48).save_to_preset(tmp_path)
    with pytest.raises(WeightsError, match="trained at 48 x 48 pixels, and vit.* is of 32 x 32"):
        load(record, find_weights(tmp_path), (32, 32))


def test_folders_that_hold_no_weights(tmp_path):
    with pytest.raises(WeightsError, match="a folder without config.json"):
        find_weights(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    record = tiny_record("vit_base_patch16_224")
    with pytest.raises(WeightsError, match="KerasHub could not load"):
        load(record, find_weights(tmp_path), (32, 32))
    with pytest.raises(WeightsError, match="mobilenet_v2 of keras.applications takes files"):
        build_backbone(get_backbone("mobilenet_v2"), find_weights(tmp_path), (32, 32))
    (tmp_path / "image_converter.json").write_text("{")
    with pytest.raises(WeightsError, match="image_converter.json cannot be read"):
        read_scaling(tmp_path)


def test_names_of_presets_are_known_without_a_download():
    assert find_weights("vit_base_patch16_224_imagenet").origin == "preset"
    assert find_weights("hf://google/vit-base-patch16-224").name.startswith("hf://")
    with pytest.raises(WeightsError, match="no weights file"):
        find_weights("vit_base_patch16_223_imagenet")
    with pytest.raises(WeightsError, match="publishes no weights of resnet34"):
        load(get_backbone("resnet34"), WeightsSource("imagenet"), (224, 224))


def test_files_of_weights(tmp_path):
    record = tiny_record("swin_tiny_patch4_window7_224")
    backbone = randomised(record, 64)
    for name in ("swin.weights.h5", "swin.keras"):
        path = tmp_path / name
        (backbone.save_weights if name.endswith("h5") else backbone.save)(path)
        loaded = load(record, find_weights(path), (64, 64))
        np.testing.assert_array_equal(answers(loaded.backbone, 64), answers(backbone, 64))
    with pytest.raises(WeightsError, match="do not fit the backbone 'mit_b0'"):
        load(tiny_record("mit_b0"), find_weights(tmp_path / "swin.weights.h5"), (64, 64))


@pytest.mark.parametrize("change", [0.1, -0.1])
def test_position_embeddings_of_dinov2_are_kept(tmp_path, change):
    """At another size than the weights', and after training in either direction."""
    record = dataclasses.replace(tiny_record("dinov2_small"), image_size=48)
    published = randomised(record, 48, position_embedding_shape=(48, 48))
    published.save_to_preset(tmp_path / "preset")
    published.save_weights(tmp_path / "d.weights.h5")
    by_hub = keras_hub.models.DINOV2Backbone.from_preset(
        str(tmp_path / "preset"), image_shape=(32, 32, 3)
    )
    for weights in ("preset", "d.weights.h5"):
        loaded = load(record, find_weights(tmp_path / weights), (32, 32)).backbone
        np.testing.assert_array_equal(answers(loaded, 32), answers(by_hub, 32))
    positions = loaded.embeddings.interpolated_position_embeddings
    positions.assign(positions + change)
    before = answers(loaded, 32)
    loaded.save(tmp_path / "trained.keras")
    again = keras.saving.load_model(tmp_path / "trained.keras")
    np.testing.assert_array_equal(answers(again, 32), before)


# -- sizes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "size", "match"),
    [
        ("vit_base_patch16_224", 100, "must be multiples of 16 pixels.*96, 96"),
        ("dinov2_small", (224, 210), "takes square images only"),
        ("swin_tiny_patch4_window7_224", 192, "needs at least 224 x 224"),
        ("mit_b0", 100, "multiples of 32"),
    ],
)
def test_sizes_at_which_a_backbone_cannot_be_built(name, size, match):
    recipe = kerastl.ImageClassification(backbone=name, weights=None, image_size=size)
    with pytest.raises(ConfigurationError, match=match):
        recipe.build_base()


def test_weights_that_fit_one_size(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    recipe = kerastl.ImageClassification(
        backbone="vit_base_patch16_224", weights=tmp_path, image_size=160
    )
    with pytest.raises(ConfigurationError, match="trained at 224 x 224 pixels and fit no other"):
        recipe.build_base()


def test_without_kerashub(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "keras_hub", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'kerastl\[hub\]'"):
        build_backbone(get_backbone("vgg11"), NONE, (32, 32))
