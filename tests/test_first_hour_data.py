"""What people meet in their first hour with their own data, one fault each."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from kerastl.data import IgnoredFilesWarning, UnreadableWarning, decode_image, load
from kerastl.errors import ConfigurationError, DataError, DataWarning, ImageError
from kerastl.inputs import heif
from tests import odd_photos
from tests.odd_photos import noise


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A folder of odd photos and all of its files."""
    root = tmp_path_factory.mktemp("odd") / "photos"
    return root, odd_photos.make(root)


@pytest.fixture
def photos(tmp_path):
    """Two class folders of three photos each."""
    for seed in range(6):
        folder = tmp_path / "photos" / ("cat", "dog")[seed % 2]
        folder.mkdir(parents=True, exist_ok=True)
        noise(seed).save(folder / f"{seed}.png")
    return tmp_path / "photos"


@pytest.fixture
def without_heif(monkeypatch):
    """As where pillow-heif is not installed."""
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "pillow_heif" else found(name)
    )
    monkeypatch.setitem(sys.modules, "pillow_heif", None)


def heic(path: Path, image: Image.Image, **options) -> Path:
    import pillow_heif

    pillow_heif.from_pillow(image).save(path, quality=95, **options)
    return path


# HEIC and other files that are passed over.


def test_heic_photos_without_their_package_are_counted(photos, without_heif):
    for index in range(9):
        (photos / "cat" / f"{index}.HEIC").write_bytes(b"x")
    (photos / "dog" / "notes.txt").touch()
    with pytest.warns(IgnoredFilesWarning) as caught:
        data = load(photos)
    [message] = [str(item.message) for item in caught]
    assert "10 files are not images that can be read here" in message
    assert "9 .heic, 1 .txt" in message
    assert "pip install 'kerastl[heic]'" in message
    assert len(data) == 6


def test_one_file_that_is_no_image(photos):
    (photos / "cat" / "notes.txt").touch()
    with pytest.warns(IgnoredFilesWarning, match="1 file is not an image and was ignored: 1 .txt"):
        load(photos)


def test_files_beside_the_class_folders_are_counted_and_a_readme_is_not(photos):
    (photos / "README.md").touch()
    (photos / "LICENSE").touch()
    (photos / ".DS_Store").touch()
    assert len(load(photos)) == 6
    (photos / "labels.csv").touch()
    with pytest.warns(IgnoredFilesWarning, match="ignored: 1 .csv"):
        load(photos)


def test_files_beside_the_parts_are_counted(photos, tmp_path):
    (tmp_path / "all").mkdir()
    photos.rename(tmp_path / "all" / "train")
    (tmp_path / "all" / "film.mov").touch()
    noise(9).save(tmp_path / "all" / "stray.png")
    with (
        pytest.warns(IgnoredFilesWarning, match="ignored: 1 .mov"),
        pytest.warns(IgnoredFilesWarning, match="1 image outside any class folder"),
    ):
        load(tmp_path / "all", split="train")


def test_heic_photos_are_read(photos):
    turned = Image.Exif()
    turned[0x0112] = 6
    path = heic(photos / "cat" / "phone.HEIC", noise(11, 40, 60), exif=turned.tobytes())
    heic(photos / "dog" / "phone.heif", noise(12, 40, 60))
    assert load(photos).class_counts() == {"cat": 4, "dog": 4}
    upright = decode_image(path, (60, 40)).astype(int)
    wanted = np.asarray(noise(11, 40, 60).transpose(Image.Transpose.ROTATE_270)).astype(int)
    assert np.abs(upright - wanted).mean() < 20
    # A phone's file that was given another name by hand.
    renamed = path.rename(path.with_suffix(".jpg"))
    assert decode_image(renamed, (8, 8)).shape == (8, 8, 3)
    assert decode_image(renamed.read_bytes(), (8, 8)).shape == (8, 8, 3)
    # Pillow itself is left as it was.
    assert "HEIF" not in Image.OPEN


def test_a_heic_photo_that_is_named_says_what_is_missing(photos, without_heif):
    path = photos / "cat" / "phone.jpg"
    path.write_bytes(b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf" + bytes(64))
    with pytest.raises(ImageError, match=r"HEIC.*pip install 'kerastl\[heic\]'"):
        decode_image(path, (8, 8))


def test_a_damaged_heic_photo_is_named(photos):
    path = heic(photos / "cat" / "phone.heic", noise(11, 40, 60))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ImageError, match="phone.heic cannot be decoded"):
        decode_image(path, (8, 8))


def test_avif_names_the_pillow_that_reads_it(photos, monkeypatch):
    if "avif" in features.modules and features.check("avif"):
        noise(20).save(photos / "cat" / "web.avif")
        assert load(photos).class_counts() == {"cat": 4, "dog": 3}
    (photos / "cat" / "old.avif").write_bytes(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(64))
    monkeypatch.setattr(heif.features, "check", lambda name: False)
    with pytest.warns(IgnoredFilesWarning, match=r"\.avif files: pip install 'pillow>=11\.3'"):
        assert load(photos).class_counts() == {"cat": 3, "dog": 3}
    monkeypatch.setitem(Image.OPEN, "AVIF", (None, lambda prefix: "no library"))
    with pytest.raises(ImageError, match=r"AVIF.*pip install 'pillow>=11\.3'"):
        decode_image(photos / "cat" / "old.avif", (8, 8))


def test_every_file_of_a_folder_of_odd_photos_is_accounted_for(odd):
    root, files = odd
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = load(root)
        shown = [labels for _, labels in data.batches((16, 16), 8)]
    said = {item.category: str(item.message) for item in caught}
    ignored = int(re.search(r"(\d+) files? (?:is|are) not", said[IgnoredFilesWarning])[1])
    found = [str(i.message) for i in caught if i.category is UnreadableWarning]
    skipped = sum(int(re.match(r"(\d+) unreadable", message)[1]) for message in found)
    assert sum(map(len, shown)) + skipped + ignored == len(files)
    assert ignored == sum(odd_photos.NO_IMAGES.values())
    assert skipped == len(data.unreadable) == 2 * len(odd_photos.UNREADABLE)
    for suffix, count in odd_photos.NO_IMAGES.items():
        assert f"{count} {suffix}" in said[IgnoredFilesWarning]
    # Subfolders are one more thing that is said.
    assert "deeper (2)" in said[DataWarning]


# Class folders in class folders.


@pytest.fixture
def nested(tmp_path):
    """photos/animals/cat, photos/animals/dog, photos/plants/oak and photos/plants/rose."""
    seeds = iter(range(100))
    for name in ("animals/cat", "animals/dog", "plants/oak", "plants/rose"):
        folder = tmp_path / "nested" / name
        folder.mkdir(parents=True)
        for index in range(3):
            noise(next(seeds)).save(folder / f"{index}.png")
    return tmp_path / "nested"


def test_nested_class_folders_are_not_merged_without_a_word(nested):
    with pytest.warns(DataWarning) as caught:
        data = load(nested)
    [message] = [str(item.message) for item in caught]
    assert data.class_names == ("animals", "plants")
    assert "'animals' has cat (3), dog (3)" in message
    assert "'plants' has oak (3), rose (3)" in message
    assert "depth=2 (--depth 2)" in message


def test_classes_may_lie_two_levels_down(nested):
    data = load(nested, depth=2)
    assert data.class_names == ("animals/cat", "animals/dog", "plants/oak", "plants/rose")
    assert data.class_counts() == dict.fromkeys(data.class_names, 3)
    assert data.names[0] == "animals/cat/0.png"
    noise(50).save(nested / "animals" / "stray.png")
    with pytest.warns(IgnoredFilesWarning, match=r"1 image outside any class.*animals/stray\.png"):
        assert len(load(nested, depth=2)) == 12


def test_a_depth_that_cannot_be(nested, photos):
    for depth in (0, -1, 1.5, True, "2"):
        with pytest.raises(ConfigurationError, match="depth"):
            load(nested, depth=depth)
    with pytest.raises(DataError, match="no folders.*2 levels down"):
        load(photos, depth=2)
    with pytest.raises(ConfigurationError, match="depth=2 .*is for folders"):
        load((np.zeros((2, 4, 4, 3)), [0, 1]), class_names=["a", "b"], depth=2)


def test_divided_folders_have_classes_below_their_parts(nested, tmp_path):
    (tmp_path / "all").mkdir()
    nested.rename(tmp_path / "all" / "train")
    data = load(tmp_path / "all", split="train", depth=2)
    assert data.num_classes == 4


# Tables.


@pytest.fixture
def table(tmp_path):
    """Writes a table of photos beside them: eight rows, with further columns."""

    def make(heading="image,label", *, name="photos.csv", separator=",", encoding="utf-8", **more):
        lines = [heading.split(",")]
        for index in range(8):
            path = tmp_path / "images" / f"{index}.png"
            path.parent.mkdir(exist_ok=True)
            noise(index).save(path)
            values = {"label": ("café", "thé")[index % 2], **{k: v[index] for k, v in more.items()}}
            rest = [str(values[column]) for column in lines[0][1:]]
            lines.append([f"images/{index}.png", *rest])
        content = "\n".join(separator.join(line) for line in lines)
        (tmp_path / name).write_text(content, encoding=encoding)
        return tmp_path / name

    return make


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_separators_and_encodings_are_found(table, separator, encoding):
    data = load(table(separator=separator, encoding=encoding))
    assert data.class_counts() == {"café": 4, "thé": 4}


@pytest.mark.parametrize("separator", [";", "\t"])
def test_tables_of_windows_are_read(table, separator):
    with pytest.warns(DataWarning, match=r"read as cp1252.*encoding= \(--encoding\)"):
        data = load(table(separator=separator, encoding="cp1252"))
    assert data.class_names == ("café", "thé")


def test_a_field_separator_that_is_not_found(table):
    path = table(separator="~")
    with pytest.raises(DataError, match=r"field_separator= \(--field-separator\)"):
        load(path)
    assert len(load(path, field_separator="~")) == 8
    for wrong in ("", "ab", 3):
        with pytest.raises(ConfigurationError, match="field_separator"):
            load(path, field_separator=wrong)


def test_messages_name_arguments_and_options(table):
    path = table("photo,kind", kind=["a", "b"] * 4)
    with pytest.raises(DataError, match=r"image_column= \(--column\).*label_column= \(--label-co"):
        load(path)
    data = load(path, image_column="photo", label_column="kind")
    assert data.class_names == ("a", "b")


SPLIT = ["train"] * 4 + ["val"] * 2 + ["test"] * 2


def test_a_column_that_divides_the_rows(table):
    from kerastl.data import load_pair

    path = table("image,label,split", split=SPLIT)
    with pytest.warns(DataWarning) as caught:
        train, held_out = load_pair(path)
    [said] = [str(item.message) for item in caught]
    assert "'split' divides its rows into train (4), validation (2) and test (2)" in said
    assert "split_column=False (--split-column none)" in said
    assert [Path(name).stem for name in train.names] == ["0", "1", "2", "3"]
    assert [Path(name).stem for name in held_out.names] == ["4", "5"]
    assert [Path(n).stem for n in load(path, split="test").names] == ["6", "7"]
    with pytest.warns(DataWarning, match=r"all of them are read.*split='test' \(--split test\)"):
        assert len(load(path)) == 8
    assert len(load(path, split_column=False)) == 8
    train, held_out = load_pair(path, split_column=False, validation_fraction=0.5)
    assert len(train) == len(held_out) == 4


@pytest.mark.parametrize("name", ["photos.jsonl", "photos.parquet"])
def test_a_column_divides_other_tables_too(table, tmp_path, name):
    import json

    path = tmp_path / name
    rows = [line.split(",") for line in table("image,label").read_text("utf-8").splitlines()[1:]]
    rows = [
        {"image": image, "label": label, "Split": part}
        for (image, label), part in zip(rows, SPLIT, strict=True)
    ]
    if name.endswith(".jsonl"):
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    assert len(load(path, split="train")) == 4
    assert len(load(path, split="validation")) == 2


def test_a_column_of_parts_by_another_name(table):
    from kerastl.data import load_pair

    path = table("image,label,fold", fold=[name.upper() for name in SPLIT])
    with pytest.warns(DataWarning, match="'fold' divides its rows"):
        _, held_out = load_pair(path, split_column="fold")
    assert len(held_out) == 2
    with pytest.raises(DataError, match="no column 'part'"):
        load(path, split_column="part")
    with pytest.raises(ConfigurationError, match=r"split='test'.*no column 'split'"):
        load(path, split="test")


def test_a_column_that_is_called_split_and_is_none(table):
    path = table("image,label,split", split=["a", "b"] * 4)
    with pytest.warns(DataWarning, match="'split' is not used.*'a', 'b'"):
        assert len(load(path)) == 8
    assert load(path, label_column="split").class_names == ("a", "b")
    with pytest.raises(DataError, match="'split'.*'a', 'b'"):
        load(path, split_column="split")
    only_test = table("image,label,split", split=["test"] * 8)
    from kerastl.data import load_pair

    # There is one part to measure on, and nothing to say.
    assert len(load(only_test)) == len(load(only_test, split="test")) == 8
    with pytest.warns(DataWarning, match=r"'split' is not used.*no row of train, only test \(8\)"):
        train, held_out = load_pair(only_test, validation_fraction=0.5)
    assert (len(train), len(held_out)) == (4, 4)


def test_classes_that_are_numbers_are_in_the_order_of_numbers(table, tmp_path):
    data = load(table("image,label", label=["10", "2", "1", "10", "2", "1", "1", "-3.5"]))
    assert data.class_names == ("-3.5", "1", "2", "10")
    for seed, name in enumerate(("10", "9", "1")):
        (tmp_path / "digits" / name).mkdir(parents=True)
        noise(seed).save(tmp_path / "digits" / name / "1.png")
    assert load(tmp_path / "digits").class_names == ("1", "9", "10")
    # What is expected, as of a run that was trained before, keeps its order.
    old = load(tmp_path / "digits", class_names=["1", "10", "9"])
    assert old.class_names == ("1", "10", "9")
    assert old.labels.tolist() == [0, 1, 2]
    assert load(table("image,label", label=["10", "2", "b"] * 3)).class_names == ("10", "2", "b")


def test_a_missing_file_says_where_paths_begin(table, tmp_path):
    path = table()
    moved = tmp_path / "elsewhere" / "photos.csv"
    moved.parent.mkdir()
    content = path.read_text(encoding="utf-8")
    moved.write_text(content.replace("images/0", "../images/0").replace("images/1", "../images/1"))
    with (
        pytest.warns(UnreadableWarning, match=r"Paths in photos\.csv start at its folder, .*where"),
    ):
        assert len(load(moved, allow_missing_classes=True)) == 2
    with pytest.raises(ImageError, match=r"Paths in photos\.csv start at its folder"):
        load(moved, on_error="raise")


# Counts of classes.


def test_classes_are_counted_for_every_output(photos, tmp_path):
    from kerastl.outputs import Classes, Labels, Number, Vector

    assert load(photos, outputs=Vector()).class_counts() == {"cat": 3, "dog": 3}
    path = tmp_path / "table.csv"
    rows = ["cat/0.png,a,a|b,1.5", "dog/1.png,b,,2", "cat/2.png,,b,", "dog/3.png,b,a,4"]
    rows = [f"photos/{row}" for row in rows]
    path.write_text("\n".join(["image,kind,tags,size", *rows]))
    outputs = {"kind": Classes(), "tags": Labels(), "size": Number()}
    data = load(path, outputs=outputs, label_separator="|")
    assert data.class_counts("kind") == {"a": 1, "b": 2}
    assert data.class_counts("tags") == {"a": 2, "b": 2}
    assert data.class_counts("size") == {}
    with pytest.raises(ConfigurationError, match="several outputs"):
        data.class_counts()
    with pytest.raises(ConfigurationError, match="no output 'sizes'"):
        data.class_counts("sizes")


def test_photos_that_turn_out_damaged_are_not_counted(odd):
    root, _ = odd
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = load(root)
        before = data.class_counts()
        held = np.concatenate([labels for _, labels in data.batches((8, 8), 16)])
    assert before["cat"] > data.class_counts()["cat"]
    assert data.class_counts() == {"cat": int((held == 0).sum()), "dog": int((held == 1).sum())}


# Words.


def test_one_of_a_thing_is_one(capsys):
    from rich.console import Console

    from kerastl.errors import counted, named
    from kerastl.progress import ConsoleReporter
    from kerastl.training.phase_run import _note
    from kerastl.training.selection import Best

    assert [counted(n, "epoch") for n in (0, 1, 2)] == ["0 epochs", "1 epoch", "2 epochs"]
    assert counted(1200, "class", "classes") == "1,200 classes"
    assert named("field_separator") == "field_separator= (--field-separator)"
    for epoch, words in ((0, "before the first epoch"), (3, "epoch 3")):
        best = Best((0.5, 0.0), epoch, [], 0.5)
        assert _note(best, "accuracy") == f"val accuracy 0.500 ({words})"
    reporter = ConsoleReporter(Console(stderr=True))
    reporter.start("part", 3)
    reporter.advance(1)
    reporter.finish("3 images")
    assert capsys.readouterr().err.split()[-2:] == ["3", "images"]


# Scores under the name of probabilities.


def test_scores_are_no_probabilities():
    from kerastl.outputs import Classes
    from kerastl.outputs.details import Details, detailed
    from kerastl.task import outputs_from_manifest

    names = ("a", "b", "c")
    logits = np.array([[2.0, 0.0, -1.0], [900.0, 0.0, 1.0]], np.float32)
    assert "scores" not in Classes(names).get_config()
    # Sigmoids: they do not sum to 1, and a softmax of them would mean nothing.
    assert Classes(names).meaning(np.array([[0.9, 0.8, 0.1]])) == "independent"
    assert not Classes(names).as_said("independent").scores
    manifest = {
        "class_names": list(names),
        "outputs": [{"name": "probabilities", "shape": [None, 3], "kind": "scores"}],
    }
    # As bundles of version 0.1.0 say it, and as later ones do.
    for output in (
        outputs_from_manifest(manifest)["probabilities"],
        Classes.from_config(Classes(names, scores=True).get_config()),
    ):
        first, second = detailed(output, logits, Details(every=True))
        assert first["label"] == "a"
        assert first["probability"] == pytest.approx(np.exp(2) / np.exp([2, 0, -1]).sum())
        assert sum(first["probabilities"].values()) == pytest.approx(1)
        assert second["probability"] == pytest.approx(1)
    manifest["outputs"][0]["kind"] = "probabilities"
    assert outputs_from_manifest(manifest)["probabilities"] == Classes(names)


# What the cache holds.


def test_cache_entries_say_what_filled_them(trained, colour_folder, activation_cache):
    from kerastl.training import ActivationCache

    _, run = trained
    rows = [r for r in ActivationCache(activation_cache).list() if r.get("run") == str(run)]
    found = {(row["data"], row["backbone"], row["shape"][0]) for row in rows}
    assert found == {
        (str(colour_folder / "train"), "mobilenet_0.25", 36),
        (str(colour_folder / "val"), "mobilenet_0.25", 18),
    }


def test_the_cache_is_listed_without_keras(tmp_path):
    from kerastl.training.cache import DEFAULT_LIMIT, ActivationCache, Layout, size_text

    cache = ActivationCache(tmp_path / "cache")
    layout = Layout((3, 4), np.dtype(np.float32))
    described = {"cut": "block_1", "view": 0, "data": "/a/photos/train", "backbone": "b"}
    for key, said in (("k" * 40, described), ("o" * 40, {"cut": "old", "view": 0})):
        with cache.entry(key, layout, said) as entry:
            entry.write(0, np.zeros((3, 4), np.float32))
    program = (
        "import sys; from kerastl.cli.main import app\n"
        f"try: app(['cache', 'list', '--folder', {str(cache.folder)!r}])\n"
        "except SystemExit as stop: assert not stop.code\n"
        "assert not {'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "160"},
    )
    assert done.returncode == 0, done.stderr
    assert "photos/train" in done.stdout
    assert "2 entries" in done.stdout
    assert "of at most 20 GB" in done.stdout
    assert [size_text(n) for n in (DEFAULT_LIMIT, 0, 20.96e9, 1)] == [
        "20 GB", "0 MB", "21 GB", "0.1 MB",
    ]  # fmt: skip


def test_scores_are_not_trained():
    from kerastl.outputs import Classes

    with pytest.raises(ConfigurationError, match="ends in probabilities"):
        Classes(("a", "b"), scores=True).attach(None, name="head", seed=0)


# The command line.


def test_options_of_data_mean_what_arguments_mean():
    from kerastl.cli.options import data_options

    given = {
        "depth": 2,
        "split_column": "none",
        "field_separator": "tab",
        "separator": "|",
        "label_column": None,
        "on_error": "warn",
        "encoding": None,
    }
    assert data_options(given) == {
        "depth": 2,
        "split_column": False,
        "field_separator": "\t",
        "label_separator": "|",
    }
    assert data_options({**given, "depth": 1, "split_column": "fold"})["split_column"] == "fold"


def test_every_odd_file_is_answered_skipped_or_ignored(trained, odd):
    from kerastl.bundles.answering import answer
    from kerastl.data.unlabelled import find_unlabelled
    from kerastl.inputs import IMAGES

    root, files = odd
    found = find_unlabelled([str(root)], IMAGES)
    parts = list(answer(trained[0], found))
    answers = [row["input"] for part in parts for row in part.answers]
    skipped = [item.title for part in parts for item in part.skipped]
    assert found.ignored == odd_photos.NO_IMAGES
    assert len(answers) + len(skipped) + sum(found.ignored.values()) == len(files)
    assert sorted(Path(name).name for name in skipped) == sorted(2 * odd_photos.UNREADABLE)
    assert answers == sorted(answers)
