"""The data layer: labelled examples of any input, for any output.

``load`` and ``load_pair`` read every source: folders, tables, arrays and lists, TFDS and streams.
What an example is they ask a reader (``kerastl.inputs``), and what its labels are the outputs
(``kerastl.outputs``). Everything after them consumes a ``Dataset``.
"""

from kerastl.data.arrays import ImageDataset, TextDataset, TextKind
from kerastl.data.dataset import Batch, Dataset, ExampleDataset
from kerastl.data.folds import deal, folds_of, places_of, together_of
from kerastl.data.for_task import load_for
from kerastl.data.loading import (
    VALIDATION_FRACTION,
    load,
    load_pair,
    load_text_pair,
    load_texts,
)
from kerastl.data.rows import TABLE_SUFFIXES
from kerastl.data.sampling import stratified_sample
from kerastl.data.splits import stratified_split
from kerastl.data.streams import StreamDataset, UnstableStreamWarning
from kerastl.data.unreadable import OnError, UnreadableWarning
from kerastl.data.walking import IgnoredFilesWarning
from kerastl.errors import DataWarning
from kerastl.inputs.images import (
    IMAGE_SUFFIXES,
    MAX_PIXELS,
    RESIZE_RULE,
    ImageSource,
    decode_full_size,
    decode_image,
    image_list,
)
from kerastl.text.strings import check_text

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "RESIZE_RULE",
    "TABLE_SUFFIXES",
    "VALIDATION_FRACTION",
    "Batch",
    "DataWarning",
    "Dataset",
    "ExampleDataset",
    "IgnoredFilesWarning",
    "ImageDataset",
    "ImageSource",
    "OnError",
    "StreamDataset",
    "TextDataset",
    "TextKind",
    "UnreadableWarning",
    "UnstableStreamWarning",
    "check_text",
    "deal",
    "decode_full_size",
    "decode_image",
    "folds_of",
    "image_list",
    "load",
    "load_for",
    "load_pair",
    "load_text_pair",
    "load_texts",
    "places_of",
    "together_of",
    "stratified_sample",
    "stratified_split",
]
