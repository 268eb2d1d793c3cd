import errno
import hashlib
import multiprocessing
import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

import kerastl
from kerastl.errors import ConfigurationError, TrainingError
from kerastl.training import ActivationCache, CacheWarning, SilentReporter
from kerastl.training import cache as caches
from kerastl.training.cache import SHARD_ROWS, Layout, Shards
from tests import forked
from tests.conftest import CLASSES

FLOAT = np.dtype(np.float32)


def filled(cache, key="k", rows=600, width=5):
    values = np.random.default_rng(0).normal(size=(rows, width)).astype(np.float32)
    with cache.entry(key, Layout(values.shape, FLOAT), {"cut": "c"}) as entry:
        for shard in range(entry.layout.shards):
            start, stop = entry.layout.rows(shard)
            entry.write(shard, values[start:stop])
    return entry, values


def test_what_was_written_is_read_back(tmp_path):
    entry, values = filled(ActivationCache(tmp_path))
    assert entry.layout.shards == 3
    shards = Shards(entry, budget=1 << 20)
    rows = np.random.default_rng(1).permutation(600)[:100]
    np.testing.assert_array_equal(shards[rows], values[rows])
    np.testing.assert_array_equal(shards[250:520], values[250:520])
    assert shards.nbytes == values.nbytes


def test_pages_are_given_back_when_the_budget_is_spent(tmp_path):
    entry, values = filled(ActivationCache(tmp_path))
    shards = Shards(entry, budget=values[:10].nbytes)
    np.testing.assert_array_equal(shards[0:300], values[:300])
    assert not shards._maps


@pytest.mark.parametrize("damage", ["byte", "truncated", "missing", "longer"])
def test_a_damaged_shard_is_noticed(tmp_path, damage):
    entry, _ = filled(ActivationCache(tmp_path))
    assert all(entry.is_sound(shard) for shard in range(3))
    path = entry.path(1)
    content = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    else:
        content[SHARD_ROWS * 4] ^= 1
        path.write_bytes(
            {"byte": content, "truncated": content[:-9], "longer": content + b"x"}[damage]
        )
    assert [entry.is_sound(shard) for shard in range(3)] == [True, False, True]


def test_the_entries_used_longest_ago_go_first(tmp_path):
    cache = ActivationCache(tmp_path)
    for age, key in ((300, "old"), (200, "middle"), (100, "new")):
        entry, _ = filled(cache, key)
        stamp = (entry.folder / "entry.json").stat().st_mtime - age
        os.utime(entry.folder / "entry.json", (stamp, stamp))
    assert [row["key"] for row in cache.list()] == ["new", "middle", "old"]
    each = cache.used() // 3
    assert cache.clear(keep_bytes=2 * each + 100) >= each - 100
    assert [row["key"] for row in cache.list()] == ["new", "middle"]
    cache.clear()
    assert cache.list() == []


def clear(folder):
    ActivationCache(folder).clear()


def test_an_entry_that_is_being_filled_stays(tmp_path):
    cache = ActivationCache(tmp_path)
    filled(cache, "other")
    with cache.entry("busy", Layout((10, 2), FLOAT), {}):
        process = forked.start(clear, tmp_path)
        process.join()
        assert process.exitcode == 0
        assert [row["key"] for row in cache.list()] == ["busy"]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigurationError, match="cannot be made"):
        ActivationCache(tmp_path / "file" / "cache")


class Count:
    """Counts forward passes: those of the frozen part, and those that measure the model."""

    def __init__(self, monkeypatch):
        from kerastl.training import activations

        self.images = 0
        original = activations.Prefix.__call__

        def run(prefix, images):
            self.images += len(images)
            return original(prefix, images)

        monkeypatch.setattr(activations.Prefix, "__call__", run)


def fit(small_recipe, colours, **settings):
    return small_recipe(**settings).fit(colours, class_names=CLASSES, reporter=SilentReporter())


def weights_equal(one, other):
    for a, b in zip(one.network.get_weights(), other.network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def filled_run(small_recipe, colours, tmp_path_factory):
    """A trained model, and the folder of its activations."""
    folder = tmp_path_factory.mktemp("filled")
    return fit(small_recipe, colours, cache=folder), folder


def test_a_second_run_computes_nothing_and_ends_the_same(
    small_recipe, colours, tmp_path, monkeypatch
):
    counted = Count(monkeypatch)
    settings = {"cache": tmp_path, "augment": kerastl.Augment(views=2)}
    first = fit(small_recipe, colours, **settings)
    assert counted.images > 0
    counted.images = 0
    second = fit(small_recipe, colours, **settings)
    assert counted.images == second.metrics["examples"]
    weights_equal(first, second)


def test_other_heads_rates_and_seeds_share_activations_and_other_views_do_not(
    small_recipe, colours, tmp_path, monkeypatch
):
    settings = {"cache": tmp_path, "plan": kerastl.head_only(1)}
    fit(small_recipe, colours, **settings)
    counted = Count(monkeypatch)
    head = fit(small_recipe, colours, **settings, head=kerastl.Head(hidden=4, dropout=0.1))
    fit(small_recipe, colours, cache=tmp_path, plan=kerastl.head_only(2, 0.1))
    assert counted.images == 2 * head.metrics["examples"]
    counted.images = 0
    fit(small_recipe, colours, **settings, image_size=40)
    assert counted.images > head.metrics["examples"]


def test_a_corrupted_shard_is_computed_again(
    small_recipe, colours, filled_run, tmp_path, monkeypatch
):
    first, filled = filled_run
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    for path in tmp_path.glob("*/000000.shard"):
        content = bytearray(path.read_bytes())
        content[17] ^= 255
        path.write_bytes(content)
    counted = Count(monkeypatch)
    second = fit(small_recipe, colours, cache=tmp_path)
    assert counted.images > second.metrics["examples"]
    weights_equal(first, second)


def test_half_precision_halves_the_space(small_recipe, colours, tmp_path):
    plan = kerastl.head_only(1)
    [full] = fit(small_recipe, colours, cache=tmp_path, plan=plan).history
    [half] = fit(small_recipe, colours, cache=tmp_path, plan=plan, cache_dtype="bfloat16").history
    assert half["cached_bytes"] * 2 == full["cached_bytes"]


def test_beyond_the_memory_limit_training_reads_from_disk_and_ends_the_same(
    small_recipe, colours, filled_run
):
    in_memory, folder = filled_run
    from_disk = fit(small_recipe, colours, cache=folder, memory_limit=1000)
    weights_equal(in_memory, from_disk)


def fail_writing(monkeypatch, number):
    def write(self, shard, values):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(caches.CacheEntry, "write", write)


def test_a_full_disk_falls_back_to_memory_with_a_warning(
    small_recipe, colours, filled_run, tmp_path, monkeypatch
):
    expected, _ = filled_run
    fail_writing(monkeypatch, errno.ENOSPC)
    with pytest.warns(CacheWarning, match="is full"):
        model = fit(small_recipe, colours, cache=tmp_path)
    weights_equal(expected, model)


def test_a_full_disk_without_memory_is_an_error(small_recipe, colours, tmp_path, monkeypatch):
    fail_writing(monkeypatch, errno.ENOSPC)
    with pytest.raises(TrainingError, match="is full.*cache=False"):
        fit(small_recipe, colours, cache=tmp_path, memory_limit=1000)


def fit_within_4_kb(sender, data, weights, cache, limit):
    """A file may hold no more than 4 KB, as on a disk that fills up."""
    import resource

    # pytest catches what a process says in files, which the limit counts for too.
    with Path(os.devnull).open("wb") as nowhere:
        for stream in (1, 2):
            os.dup2(nowhere.fileno(), stream)
    # In a process of its own: the limit counts for everything that a process writes.
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    recipe = kerastl.ImageClassification(
        backbone="mobilenet_0.25", weights=weights, image_size=32, batch_size=8,
        cache=cache, memory_limit=limit, augment=None, plan=kerastl.head_only(2),
    )  # fmt: skip
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = recipe.fit(data, reporter=SilentReporter())
        except kerastl.TrainingError as error:
            sender.send(f"error: {error}")
            return
    said = [f"warning: {warning.message}" for warning in caught]
    values = b"".join(value.tobytes() for value in model.network.get_weights())
    said.append(f"weights: {hashlib.sha256(values).hexdigest()}")
    sender.send("\n".join(said))


def limited(colour_folder, small_weights, cache, memory_limit=1 << 30):
    pytest.importorskip("resource")
    receiver, sender = multiprocessing.Pipe(duplex=False)
    arguments = colour_folder, small_weights, cache, memory_limit
    process = forked.start(fit_within_4_kb, sender, *arguments)
    sender.close()
    said = receiver.recv()
    process.join(300)
    assert process.exitcode == 0
    return said


def test_a_real_limit_of_file_sizes_falls_back_to_memory(colour_folder, small_weights, tmp_path):
    said = limited(colour_folder, small_weights, tmp_path / "full")
    assert "is full: activations are kept in memory" in said
    assert not list((tmp_path / "full").rglob("*.shard"))
    plenty = limited(colour_folder, small_weights, False)
    assert "is full" not in plenty
    assert said.splitlines()[-1] == plenty.splitlines()[-1]
    assert said.splitlines()[-1].startswith("weights: ")


def test_a_real_limit_of_file_sizes_without_memory_is_an_error(
    colour_folder, small_weights, tmp_path
):
    said = limited(colour_folder, small_weights, tmp_path, memory_limit=1000)
    assert said.startswith("error: The disk of the activation cache")
    assert "cache=False" in said


def test_auto_leaves_out_what_has_no_room(small_recipe, colours, tmp_path, monkeypatch):
    notes = []

    class Notes(SilentReporter):
        def note(self, text):
            notes.append(text)

    monkeypatch.setenv("KERASTL_CACHE", str(tmp_path))
    monkeypatch.setattr(caches.ActivationCache, "room", lambda self: 50_000)
    model = small_recipe(head=kerastl.Head(features="last")).fit(
        colours, class_names=CLASSES, reporter=Notes()
    )
    assert [phase["cached_bytes"] > 0 for phase in model.history] == [True, False]
    assert any("the frozen part runs at each step instead" in note for note in notes)
    with pytest.raises(ConfigurationError, match="there is room for 0.1 MB"):
        fit(small_recipe, colours, cache=tmp_path)


def fit_into(run, data, weights, cache):
    kerastl.ImageClassification(
        backbone="mobilenet_0.25", weights=weights, image_size=32, batch_size=8, cache=cache,
        augment=kerastl.Augment(views=3), plan=kerastl.two_phase(3, 2, train_from="conv_12"),
    ).fit(data, out=run, reporter=SilentReporter())  # fmt: skip


def test_two_processes_fill_one_cache(small_weights, colour_folder, tmp_path):
    """Each computes what the other has not; both end with the same weights."""
    runs = [tmp_path / "one", tmp_path / "two"]
    processes = [
        forked.start(fit_into, run, colour_folder, small_weights, tmp_path / "cache")
        for run in runs
    ]
    for process in processes:
        process.join(300)
        assert process.exitcode == 0
    weights_equal(*(kerastl.load(run) for run in runs))


def test_auto_weighs_the_disk_against_computing(small_recipe, colours, tmp_path, monkeypatch):
    notes = []

    class Notes(SilentReporter):
        def note(self, text):
            notes.append(text)

    monkeypatch.setenv("KERASTL_CACHE", str(tmp_path))
    model = small_recipe(memory_limit=1000).fit(colours, class_names=CLASSES, reporter=Notes())
    said = [note for note in notes if "predicted" in note]
    assert len(said) == 2
    kept = [phase["cached_bytes"] > 0 for phase in model.history]
    assert kept == [note.endswith(": with it, then") for note in said]
