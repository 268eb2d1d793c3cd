"""Inputs: what goes into a network. See ``kerastl.inputs.input``."""

from kerastl.inputs.augment import Augment
from kerastl.inputs.examples import (
    MEMORY_LIMIT,
    Examples,
    ImageExamples,
    LazyView,
    as_input,
    decode,
)
from kerastl.inputs.image import Image
from kerastl.inputs.image_reading import IMAGES, ImageReader
from kerastl.inputs.input import Input, Spec
from kerastl.inputs.reading import Reader
from kerastl.inputs.text import Text
from kerastl.inputs.text_reading import TEXTS, TextReader
from kerastl.inputs.token_examples import TokenExamples, sort_tokens

__all__ = [
    "IMAGES",
    "MEMORY_LIMIT",
    "TEXTS",
    "Augment",
    "Examples",
    "Image",
    "ImageExamples",
    "ImageReader",
    "Input",
    "LazyView",
    "Reader",
    "Spec",
    "Text",
    "TextReader",
    "TokenExamples",
    "as_input",
    "decode",
    "sort_tokens",
]
