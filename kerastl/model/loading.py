"""Reading a run directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kerastl.model import run_directory
from kerastl.model.embeddings import EmbeddingModel
from kerastl.model.history import History
from kerastl.model.trained import TrainedModel, weights_digest


def load_run(path: str | os.PathLike[str]) -> TrainedModel:
    """Reads a run directory.

    Raises:
        RunError: it is missing, incomplete or damaged. No code in it is run.
    """
    return model_of(**run_directory.read(Path(path)))


def model_of(**content: Any) -> TrainedModel:
    """A trained model of the class that its output asks for, with the digest of its weights."""
    content["history"] = History(content.get("history", ()))
    content["network_sha256"] = weights_digest(content["network"])
    model = TrainedModel(**content)
    return EmbeddingModel(**vars(model)) if model.task.first.gives_vectors else model
