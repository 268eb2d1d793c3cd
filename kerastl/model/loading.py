"""Reading a run directory."""

from __future__ import annotations

import os
from pathlib import Path

from kerastl.model import run_directory
from kerastl.model.embeddings import EmbeddingModel, load_embedding_model
from kerastl.model.images import ImageModel
from kerastl.model.samples import Samples
from kerastl.model.texts import TextModel, load_text_model
from kerastl.model.trained import TrainedModel


def load_run(path: str | os.PathLike[str]) -> TrainedModel:
    """Reads a run directory.

    Raises:
        RunError: it is missing, incomplete or damaged. No code in it is run.
    """
    run = Path(path)
    content = run_directory.read(run)
    kind = content["provenance"].get("kind")
    if kind == EmbeddingModel.KIND:
        return load_embedding_model(run, content)
    run_directory.check_classes(run, content)
    if kind == TextModel.KIND:
        return load_text_model(run, content)
    return ImageModel(**content, samples=Samples.load(run))
