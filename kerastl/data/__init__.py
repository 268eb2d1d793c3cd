"""The data layer: labelled images of any kind, decoded and resized by one rule.

``load`` and ``load_pair`` take every kind of data; everything after them consumes a ``Dataset``.
"""

from kerastl.data.arrays import from_arrays
from kerastl.data.dataset import Batch, Dataset, ImageDataset
from kerastl.data.folders import IgnoredFilesWarning, from_folder
from kerastl.data.images import (
    IMAGE_SUFFIXES,
    MAX_PIXELS,
    RESIZE_RULE,
    ImageSource,
    decode_full_size,
    decode_image,
)
from kerastl.data.loading import VALIDATION_FRACTION, load, load_pair
from kerastl.data.sampling import stratified_sample
from kerastl.data.splits import stratified_split
from kerastl.data.streams import StreamDataset, UnstableStreamWarning
from kerastl.data.tables import from_table
from kerastl.data.tfds import from_builder
from kerastl.data.unreadable import OnError, UnreadableImageWarning

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "RESIZE_RULE",
    "VALIDATION_FRACTION",
    "Batch",
    "Dataset",
    "IgnoredFilesWarning",
    "ImageDataset",
    "ImageSource",
    "OnError",
    "StreamDataset",
    "UnreadableImageWarning",
    "UnstableStreamWarning",
    "decode_full_size",
    "decode_image",
    "from_arrays",
    "from_builder",
    "from_folder",
    "from_table",
    "load",
    "load_pair",
    "stratified_sample",
    "stratified_split",
]
