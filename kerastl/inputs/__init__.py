"""Inputs: what goes into a network. See ``kerastl.inputs.input``."""

from kerastl.inputs.augment import Augment
from kerastl.inputs.examples import (
    MEMORY_LIMIT,
    Examples,
    ImageExamples,
    LazyView,
    as_input,
    decode,
    labels_by_output,
)
from kerastl.inputs.image import Image
from kerastl.inputs.input import Input, Spec
from kerastl.inputs.text import Text
from kerastl.inputs.token_examples import TokenExamples, sort_tokens

__all__ = [
    "MEMORY_LIMIT",
    "Augment",
    "Examples",
    "Image",
    "ImageExamples",
    "Input",
    "LazyView",
    "Spec",
    "Text",
    "TokenExamples",
    "as_input",
    "decode",
    "labels_by_output",
    "sort_tokens",
]
