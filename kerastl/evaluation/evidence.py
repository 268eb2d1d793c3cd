"""What a run keeps to measure its model by."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from kerastl.evaluation.answered import Answered
from kerastl.evaluation.baselines import ARRAYS, Baselines
from kerastl.evaluation.baselines import FILE as BASELINES
from kerastl.evaluation.seen import FILE as SEEN
from kerastl.evaluation.seen import Seen, notes_on_shared
from kerastl.evaluation.value import Evaluation
from kerastl.files import read_json, write_json

FILE = "evaluation.json"


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What a run keeps to measure its model by; runs of version 0.1.0 have none of it.

    It stays in the run: a bundle is given to others, and examples may be told by their digests.

    Attributes:
        evaluation: of the validation examples.
        baselines: fitted to the training examples.
        seen: the training and validation examples' digests.
    """

    evaluation: Evaluation | None = None
    baselines: Baselines | None = None
    seen: Seen | None = None

    def shared_with(self, answered: Answered) -> tuple[dict[str, int] | None, list[str]]:
        """How many examples the model has seen, None where that is not known; and notes on it.

        Warns:
            DataWarning: it was trained on some of them.
        """
        if self.seen is None or not answered.digests:
            return None, []
        shared = self.seen.count(answered.digests)
        return shared, notes_on_shared(shared, len(answered), answered.input.nouns)

    def save(self, run: Path) -> None:
        """Writes it into a run directory, in place of what was there."""
        for name in (FILE, BASELINES, ARRAYS, SEEN):
            (run / name).unlink(missing_ok=True)
        if self.evaluation is not None:
            write_json(run / FILE, self.evaluation.as_dict())
        if self.baselines is not None:
            self.baselines.save(run)
        if self.seen is not None:
            self.seen.save(run)

    @staticmethod
    def load(run: Path) -> Evidence:
        """Reads what a run directory has of it."""
        found = run / FILE
        evaluation = Evaluation.from_dict(read_json(found)) if found.exists() else None
        return Evidence(evaluation, Baselines.load(run), Seen.load(run))
