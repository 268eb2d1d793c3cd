"""Runs in MLflow: on a server, or in an SQLite file on this machine."""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kerastl.errors import ConfigurationError
from kerastl.optional import require

if TYPE_CHECKING:
    from kerastl.training.tracking import Ending, TrackedRun

EXPERIMENT = "kerastl"
# MLflow's own defaults send figures of its use to its makers, and wait minutes for a server that
# does not answer. What the user has set stays.
_SETTINGS = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
_PHASE = "phase"
_STATUS: Mapping[Ending, str] = {"interrupted": "KILLED", "failed": "FAILED"}
# More than MLflow takes at once.
_BATCH = 100
_LONGEST = 500


@dataclasses.dataclass(eq=False)
class MlflowTracker:
    """Tracks a run through MLflow's own client.

    The experiment is the one that ``MLFLOW_EXPERIMENT_NAME`` names, or else ``kerastl``. Each epoch
    is a step, and the metric ``phase`` says which phase it belongs to. A server that fails while
    the run trains costs a warning, and not the run.

    Attributes:
        uri: of the store, as MLflow takes it; None takes ``MLFLOW_TRACKING_URI``, or else
            ``mlflow.db`` in the working directory.
    """

    name: ClassVar[str] = "mlflow"
    uri: str | None = None
    _client: Any = dataclasses.field(default=None, init=False, repr=False)
    _run: str = dataclasses.field(default="", init=False, repr=False)
    _told: int = dataclasses.field(default=0, init=False, repr=False)

    def check(self) -> None:
        """Opens the store; raises ConfigurationError where that fails."""
        for variable, value in _SETTINGS.items():
            os.environ.setdefault(variable, value)
        mlflow = require("mlflow", extra="mlflow", purpose="Tracking a run with MLflow")
        try:
            self._client = mlflow.MlflowClient(tracking_uri=self.uri)
            self._client.search_experiments(max_results=1)
        except mlflow.exceptions.MlflowException as error:
            where = "" if self.uri is None else f" {self.uri!r}"
            told = _without_password(f"MLflow cannot open the store{where}: {error}.")
            raise ConfigurationError(
                f"{told} Give the address of a server, as "
                "in mlflow:http://localhost:5000, or an SQLite file, as in "
                "mlflow:sqlite:///mlflow.db."
            ) from error

    def start(self, run: TrackedRun, identifier: str | None) -> str:
        """Creates a run, or takes up the one of that identifier where the store has it."""
        from mlflow.exceptions import MlflowException

        try:
            if identifier is None or not self._take_up(identifier):
                self._create(run)
        except MlflowException as error:
            raise ConfigurationError(f"MLflow cannot begin a run: {error}.") from error
        return self._run

    def epoch(self, step: int, phase: int, figures: Mapping[str, float]) -> None:
        """Writes the figures of an epoch that is not there yet."""
        if step > self._told:
            self._told = step
            self._write({**figures, _PHASE: float(phase)}, step)

    def finish(self, metrics: Mapping[str, float], files: Sequence[Path]) -> None:
        """Writes the metrics as ``validation/NAME``, uploads the files, and closes the run."""
        numbers = {k: v for k, v in metrics.items() if isinstance(v, (int, float))}
        self._write({f"validation/{name}": float(v) for name, v in numbers.items()}, self._told)
        for file in files:
            self._try(functools.partial(self._client.log_artifact, self._run, str(file)))
        self._try(lambda: self._client.set_terminated(self._run, "FINISHED"))

    def stop(self, ending: Ending) -> None:
        """Closes the run as killed or failed."""
        if self._run:
            self._try(lambda: self._client.set_terminated(self._run, _STATUS[ending]))

    def _take_up(self, identifier: str) -> bool:
        from mlflow.exceptions import MlflowException

        try:
            self._client.get_run(identifier)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        self._client.update_run(identifier, status="RUNNING")
        steps = self._client.get_metric_history(identifier, _PHASE)
        self._run, self._told = identifier, max((metric.step for metric in steps), default=0)
        return True

    def _create(self, run: TrackedRun) -> None:
        from mlflow.entities import Param

        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        found = self._client.get_experiment_by_name(name)
        experiment = found.experiment_id if found else self._client.create_experiment(name)
        created = self._client.create_run(experiment, tags=dict(run.tags), run_name=run.name)
        self._run = created.info.run_id
        params = [Param(_key(k), str(v)[:_LONGEST]) for k, v in run.parameters.items()]
        for first in range(0, len(params), _BATCH):
            self._client.log_batch(self._run, params=params[first : first + _BATCH])

    def _write(self, figures: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(_key(name), value, now, step) for name, value in figures.items()]
        self._try(lambda: self._client.log_batch(self._run, metrics=metrics))

    def _try(self, write: Callable[[], Any]) -> None:
        from mlflow.exceptions import MlflowException

        try:
            write()
        except MlflowException as error:
            warnings.warn(
                f"MLflow could not write: {error}. The training goes on without.", stacklevel=3
            )


def _key(name: str) -> str:
    """A name with the characters that MLflow takes."""
    return re.sub(r"[^\w\-./: ]", "_", name)


def _without_password(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", text)
