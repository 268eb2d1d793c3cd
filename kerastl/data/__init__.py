"""The data layer: labelled images and texts of any kind.

``load`` and ``load_pair`` take every kind of images, decoded and resized by one rule; everything
after them consumes a ``Dataset``. ``load_texts`` and ``load_text_pair`` make a ``TextDataset``.
"""

from kerastl.data.arrays import from_arrays
from kerastl.data.dataset import Batch, Dataset, ImageDataset
from kerastl.data.folders import IgnoredFilesWarning, from_folder
from kerastl.data.loading import VALIDATION_FRACTION, load, load_pair
from kerastl.data.sampling import stratified_sample
from kerastl.data.splits import stratified_split
from kerastl.data.streams import StreamDataset, UnstableStreamWarning
from kerastl.data.tables import from_table
from kerastl.data.text_loading import TEXT_COLUMN, load_text_pair, load_texts
from kerastl.data.texts import TextDataset, TextKind, TextLabels, check_kind
from kerastl.data.tfds import from_builder
from kerastl.data.unreadable import OnError, UnreadableImageWarning
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
    "TEXT_COLUMN",
    "VALIDATION_FRACTION",
    "Batch",
    "DataWarning",
    "Dataset",
    "IgnoredFilesWarning",
    "ImageDataset",
    "ImageSource",
    "OnError",
    "StreamDataset",
    "TextDataset",
    "TextKind",
    "TextLabels",
    "UnreadableImageWarning",
    "UnstableStreamWarning",
    "check_kind",
    "check_text",
    "decode_full_size",
    "decode_image",
    "from_arrays",
    "from_builder",
    "from_folder",
    "from_table",
    "image_list",
    "load",
    "load_pair",
    "load_text_pair",
    "load_texts",
    "stratified_sample",
    "stratified_split",
]


def load_for(task, data, **options):  # TEMP
    raise NotImplementedError
