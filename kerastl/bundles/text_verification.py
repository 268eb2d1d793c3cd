"""``verify`` of a text bundle: its tokenizer's ids, then its artifacts' answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.bundles import parity, text_golden
from kerastl.bundles.bundle import Artifact, Bundle, Gate
from kerastl.bundles.manifest import bundle_of
from kerastl.bundles.text_diagnosis import causes
from kerastl.bundles.text_faults import faults_of, figures
from kerastl.bundles.text_golden import Golden
from kerastl.bundles.text_parity import EMBEDDING, Decisions
from kerastl.bundles.text_running import TextAnswers, run_text_artifacts
from kerastl.bundles.text_runtimes import TextTokens
from kerastl.errors import BundleError, ExportError, KerastlError, ParityError

Array = np.ndarray[Any, Any]

_SHOWN = 40


def verify_text(
    folder: Path, manifest: dict[str, Any], progress: Callable[[str], None] | None = None
) -> Bundle:
    """Checks that a text bundle answers as it did when it was exported.

    Args:
        folder: the bundle, whose files' hashes were compared already.
        manifest: its manifest.
        progress: called with a short text as each step begins.

    Returns:
        The bundle; the artifacts' figures are those measured now, on the golden texts.

    Raises:
        BundleError: the tokenizer or its settings give other ids than at export, or the bundle
            cannot be run; the message says which.
        ParityError: an artifact no longer gives the golden answers on this machine.
    """
    golden = text_golden.read(folder)
    check_tokens(folder, manifest["tokenizer"], golden)
    planned = [(entry["format"], entry["path"]) for entry in manifest["artifacts"]]
    try:
        answers = run_text_artifacts(folder, planned, manifest["tokenizer"], golden.texts, progress)
    except ExportError as error:
        raise BundleError(
            f"An artifact of {folder} cannot be run on this machine. {error}"
        ) from error
    decisions, gate = decisions_of(manifest), Gate(**manifest["gate"])
    bundle = bundle_of(folder, manifest)
    artifacts = [
        _measure(artifact, decisions, gate, answers.outputs[artifact.path], golden.outputs)
        for artifact in bundle.artifacts
    ]
    faults = faults_of(answers, artifacts, decisions, gate)
    faults += _label_faults(golden, answers, artifacts, decisions)
    if faults or not all(artifact.passed for artifact in artifacts):
        raise ParityError(
            "\n".join(
                [
                    f"{folder} does not give its golden answers on this machine "
                    f"({len(golden.texts)} texts).",
                    parity.describe(artifacts, gate),
                    *(
                        f"  CAUSE   {cause}"
                        for cause in causes(
                            artifacts,
                            golden.outputs["network"],
                            answers.outputs,
                            decisions.class_names,
                        )
                    ),
                    *(f"  FAILED  {fault}" for fault in faults),
                ]
            ),
            [vars(artifact) for artifact in artifacts],
        )
    return replace(bundle, artifacts=tuple(artifacts))


def decisions_of(manifest: Mapping[str, Any]) -> Decisions:
    """What the outputs of a text bundle mean."""
    thresholds = manifest["thresholds"]
    return Decisions(
        manifest["kind"],
        tuple(manifest["class_names"]),
        None if thresholds is None else tuple(thresholds),
        manifest["outputs"][0]["shape"][1] if manifest["kind"] == EMBEDDING else None,
    )


def check_tokens(folder: Path, settings: Mapping[str, Any], golden: Golden) -> None:
    """Compares the ids of the golden texts with those of the export.

    Raises:
        BundleError: they differ; the message says why where one of the usual causes explains it.
    """
    try:
        tokens = TextTokens(folder, settings)
        ids = tokens.ids(golden.texts)
    except (KerastlError, KeyError, TypeError, ValueError) as error:
        raise BundleError(
            f"The tokenizer of {folder} cannot be used: {error}. Export it again."
        ) from error
    if _same(ids, golden.ids):
        if tokens.tokenizer.sha256 != settings["sha256"]:
            raise BundleError(f"{folder}: tokenizer.json is not the one of manifest.json.")
        for name in ("start_ids", "end_ids"):
            own = list(getattr(tokens.tokenizer, name))
            if list(settings[name]) != own:
                raise BundleError(
                    f"{folder}: manifest.json says that the tokenizer's {name} are "
                    f"{settings[name]}; they are {own}."
                )
        return
    position = next(
        i for i, (a, b) in enumerate(zip(ids, golden.ids, strict=True)) if not np.array_equal(a, b)
    )
    cause = _cause(tokens, golden, ids, settings["lowercase"])
    raise BundleError(
        f"The tokenizer of {folder} gives other ids than at export: {cause}. The first golden "
        f"text that differs is "
        f"{golden.texts[position][:_SHOWN]!a}: {ids[position][:12].tolist()} of "
        f"{len(ids[position])}, not {golden.ids[position][:12].tolist()} of "
        f"{len(golden.ids[position])}. Export it again."
    )


def _same(ids: Iterable[Array], wanted: Iterable[Array]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(ids, wanted, strict=True))


def _cause(tokens: TextTokens, golden: Golden, ids: Sequence[Array], declared: bool | None) -> str:
    longest, now = (max(map(len, rows)) for rows in (golden.ids, ids))
    ends = len(tokens.tokenizer.end_ids)
    if longest != now:
        shorter = min(longest, now) - ends
        kept = ([row[: -ends or None][:shorter] for row in rows] for rows in (ids, golden.ids))
        if _same(*kept):
            return f"texts are cut at {now} tokens (max_length), and were cut at {longest}"
    # Beyond ASCII, lower() is not what tokenizers do to fold the case.
    plain = [i for i, text in enumerate(golden.texts) if text.isascii()]
    lowered = tokens.ids([golden.texts[i].lower() for i in plain])
    folds = _same(lowered, [ids[i] for i in plain])
    if declared is True and not folds:
        return "the case is kept (lowercase), and was folded"
    if declared is False and folds:
        return "the case is folded (lowercase), and was kept"
    return "its vocabulary, its rules or its start and end tokens were changed"


def _measure(
    artifact: Artifact,
    decisions: Decisions,
    gate: Gate,
    answered: Array,
    recorded: Mapping[str, Array],
) -> Artifact:
    found = figures(decisions, gate, artifact.quantization, recorded["network"], answered)
    if artifact.quantization is not None:
        # On so few texts one label weighs more than the gate's slack, which the export applied to
        # all examples: here the artifact is held to its own answers.
        found["passed"] = decisions.repeats(recorded[artifact.path], answered)
    return replace(artifact, **found)


def _label_faults(
    golden: Golden, answers: TextAnswers, artifacts: Iterable[Artifact], decisions: Decisions
) -> list[str]:
    """Golden texts whose label is another than the one that is written beside them."""
    if not decisions.class_names:
        return []
    faults = []
    for artifact in artifacts:
        outputs = answers.outputs[artifact.path]
        recorded = golden.outputs[artifact.path]
        if recorded.shape != outputs.shape:
            continue
        # Where the outputs are those of the export but for rounding, a tie may fall either way;
        # how far those of a quantised artifact may lie off was judged before.
        excused = decisions.agreeing(recorded, outputs, Gate(), None).reshape(len(outputs), -1)
        named = zip(decisions.labels(outputs), decisions.labels(recorded), strict=True)
        for index, (entry, (got, own)) in enumerate(zip(golden.labels, named, strict=True)):
            wanted = entry["artifacts"][artifact.path]
            tied = artifact.quantization is not None or bool(excused[index].all())
            if got != wanted and not (tied and own == wanted):
                faults.append(
                    f"{artifact.path} calls the golden text {entry['text'][:_SHOWN]!a} "
                    f"{got!r}; it must be {wanted!r}"
                )
    return faults
