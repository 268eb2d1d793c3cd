"""An input of your own: series of eight numbers, in a column of a table as "1.5 2 ..."."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import ClassVar

import numpy as np

from kerastl.errors import DataError
from kerastl.inputs import ArrayExamples, Input, Reader, Spec, register_input

LENGTH = 8


def numbers(source):
    """A series as float32 (8,)."""
    if isinstance(source, str):
        source = source.split()
    try:
        found = np.asarray(source, dtype=np.float32)
    except ValueError as error:
        raise DataError(f"A series holds something that is no number: {error}.") from error
    if found.shape != (LENGTH,) or not np.isfinite(found).all():
        raise DataError(f"A series has {LENGTH} numbers; this one has the shape {found.shape}.")
    return found


class SeriesReader(Reader):
    noun = "series"
    nouns = "series"
    column = "series"
    suffixes = frozenset({".txt"})
    layout = "data/calm/1.txt and data/wild/1.txt"

    def from_files(self, paths, encoding):
        return [numbers(path.read_text(encoding=encoding or "utf-8")) for path in paths]

    def from_cell(self, value, folder):
        return numbers(value)

    def from_array(self, x):
        return [numbers(row) for row in x]

    def digest(self, source):
        return hashlib.sha256(numbers(source).tobytes()).hexdigest()


@register_input
@dataclasses.dataclass(frozen=True)
class Series(Input):
    kind: ClassVar[str] = "series"
    noun: ClassVar[str] = "series"
    nouns: ClassVar[str] = "series"
    reader: ClassVar[Reader] = SeriesReader()

    def as_list(self, given):
        one = isinstance(given, str) or (isinstance(given, np.ndarray) and given.ndim == 1)
        return [numbers(source) for source in ([given] if one else given)]

    def batches(self, sources, *, size=32, length=None):
        for start in range(0, len(sources), size):
            rows = np.arange(start, min(start + size, len(sources)))
            yield rows, np.stack([numbers(sources[i]) for i in rows])

    def examples(self, data, folder):
        return ArrayExamples(np.stack([numbers(row) for row in data.sources]), data.targets)

    def specs(self, *, fixed_lengths=False):
        return (Spec("series", "float32", (LENGTH,)),)

    def feeds(self, batch):
        return {"series": batch}

    @property
    def builtin(self):
        rng = np.random.default_rng(0)
        return list(rng.normal(size=(48, LENGTH)).astype(np.float32)), "random"

    def store(self, folder, name, sources):
        np.save(folder / f"{name}.npy", np.stack([numbers(row) for row in sources]))

    def stored(self, folder, name):
        return list(np.load(folder / f"{name}.npy"))

    preprocessing: ClassVar = {"in_graph": True, "description": "none"}

    def manifest_entries(self):
        return {"input": {"kind": self.kind, "name": "series", "shape": [None, LENGTH]}}

    def save(self, run):
        return {}

    @staticmethod
    def from_run(config, run):
        return Series()

    @staticmethod
    def from_manifest(manifest, folder, packed=None):
        return Series()

    def how_to_feed(self, manifest):
        return f"The artifacts take `series`, float32 `(batch, {LENGTH})`."
