"""``report``: a page and the JSON beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerastl.bundles import BundleModel
from kerastl.bundles.manifest import read_manifest
from kerastl.errors import ConfigurationError
from kerastl.evaluation import Evaluation, answer, measure_answers
from kerastl.files import atomic_file, read_json, write_json
from kerastl.inputs import Input
from kerastl.model import TrainedModel
from kerastl.opening import Model, open_model
from kerastl.reporting.content import SCHEMA, content_of
from kerastl.reporting.facts import Facts, benchmark_of, facts_of_bundle, facts_of_run
from kerastl.reporting.page import page_of
from kerastl.reporting.thumbnails import thumbnails_of

PAGE = "report.html"


def report(
    model: Model,
    data: Any = None,
    out: str | os.PathLike[str] = PAGE,
    *,
    bundles: Sequence[str | os.PathLike[str]] = (),
    benchmark: str | os.PathLike[str] | None = None,
    trusted: bool = False,
    **options: Any,
) -> Path:
    """Writes a report on a run or a bundle: one page that needs nothing else, and its JSON.

    Args:
        model: a trained model, or the folder of a run or a bundle.
        data: labelled data of any kind that ``fit`` takes; None shows what a run keeps of its
            validation examples, and of a bundle only what its manifest says.
        out: the page; its numbers are written beside it, under the same name with ``.json``.
        bundles: of a run, folders of bundles whose files are listed; those inside the run's own
            folder are found.
        benchmark: a file with what ``kerastl benchmark --json`` printed, for latencies.
        trusted: you trust the bundle's maker, as ``model.pt2`` needs: see ``kerastl.verify``.
        **options: of ``kerastl.data.load``, as ``split="test"``.

    Returns:
        The page.

    Raises:
        ConfigurationError: ``out`` cannot be written, or would replace JSON of something else.
        MissingExtraError: Jinja2 is not installed.
        RunError: the run directory is missing or damaged.
        BundleError: a bundle is missing or damaged.
        DataError: the data cannot be read, or have classes that the model does not know.
    """
    page = Path(out)
    numbers = _json_beside(page)
    facts, opened = _facts(model, bundles, needed=data is not None, trusted=trusted)
    evaluation, sources, input = facts.evaluation, {}, facts.input
    if data is not None:
        answered = answer(opened, data, **options)
        evaluation = measure_answers(answered, getattr(opened, "evidence", None))
        sources = dict(zip(answered.names, answered.sources, strict=True))
    latency = {} if benchmark is None else benchmark_of(Path(benchmark))
    source = None if data is None else _named(data, options)
    content = content_of(facts, evaluation, source=source, latency=latency)
    shown = _thumbnails(input, evaluation, sources, content)
    html = page_of(content, shown)
    with atomic_file(page) as temporary:
        temporary.write_text(html, encoding="utf-8")
    write_json(numbers, content)
    return page


def _facts(model: Any, bundles: Sequence[Any], *, needed: bool, trusted: bool) -> tuple[Facts, Any]:
    """What is known of a model without data, and the model itself where it is ``needed``."""
    folder = Path(model) if isinstance(model, str | os.PathLike) else None
    if isinstance(model, BundleModel):
        folder = model.path
    if folder is not None and (folder / "manifest.json").is_file():
        opened = open_model(folder, trusted=trusted) if needed else None
        return facts_of_bundle(folder, read_manifest(folder)), opened
    opened = open_model(model)
    if not isinstance(opened, TrainedModel):
        raise ConfigurationError("To report on a bundle, give its folder.")
    return facts_of_run(opened, folder, [Path(bundle) for bundle in bundles]), opened


def _thumbnails(
    input: Input | None,
    evaluation: Evaluation | None,
    sources: Mapping[str, Any],
    content: dict[str, Any],
) -> dict[str, str]:
    if input is None or evaluation is None:
        return {}
    shown, missing = thumbnails_of(input, evaluation, sources)
    if missing:
        content["notes"].append(
            f"{missing} {input.noun if missing == 1 else input.nouns} cannot be shown: the files "
            "are not there, or the data were not files. Give the data to the report."
        )
    return shown


def _json_beside(page: Path) -> Path:
    """Where the numbers go; raises ConfigurationError where they would replace something else."""
    if not page.absolute().parent.is_dir():
        raise ConfigurationError(f"--out {page}: there is no folder {page.absolute().parent}.")
    numbers = page.with_suffix(".json")
    if page.is_dir() or page == numbers:
        raise ConfigurationError(f"--out {page}: name a file, as in {PAGE}.")
    if numbers.exists():
        try:
            found = read_json(numbers)
        except (OSError, UnicodeDecodeError, json.JSONDecodeError):
            found = None
        if not isinstance(found, dict) or SCHEMA not in found:
            raise ConfigurationError(
                f"--out {page}: the numbers would replace {numbers}, which is not of a report. "
                "Choose another name."
            )
    return numbers


def _named(data: Any, options: Mapping[str, Any]) -> str:
    """What the data are called on the page."""
    name = os.fspath(data) if isinstance(data, str | os.PathLike) else type(data).__name__
    part = options.get("split")
    return f"{name} ({part})" if part else str(name)
