"""What is exported: a network, what goes in and comes out, and what it is proved on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kerastl.samples import Samples
from kerastl.task import Task

if TYPE_CHECKING:
    import keras


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is exported.

    Attributes:
        network: from what ``task.input`` makes to one output for each of ``task.outputs``.
        samples: what the export is proved on.
        details: JSON data for manifest and card (see ``manifest.provenance_entries``).
    """

    network: keras.Model
    task: Task
    samples: Samples = dataclasses.field(default_factory=Samples)
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)
