"""The golden folder of a text bundle: texts with the ids and answers that they must get."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.bundles.text_parity import Decisions
from kerastl.errors import BundleError
from kerastl.files import read_json, write_json
from kerastl.inputs.text_probes import LONGEST_GOLDEN, MOST_GOLDEN
from kerastl.text import Tokenizer

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Golden:
    """What golden/ holds.

    Attributes:
        texts: the texts.
        labels: of each the network's label, and under ``"artifacts"`` those of the artifacts.
        ids: token ids of each, as the model's own tokenizer gave them, int32 ``(length,)``.
        outputs: ``(n, outputs)`` under ``"network"`` and under every artifact's path.
    """

    texts: list[str]
    labels: list[dict[str, Any]]
    ids: list[Array]
    outputs: dict[str, Array]


def chosen(texts: Sequence[str], count: int) -> list[int]:
    """Which texts become golden.

    Args:
        texts: examples, then what no data set holds.
        count: how many are examples. Of them some are taken, evenly spread, with a long one and
            one in capitals; of the others all but the very long.
    """
    spread = np.unique(np.linspace(0, count - 1, min(count, MOST_GOLDEN)).astype(int))
    longest = max(range(count), key=lambda index: len(texts[index][:LONGEST_GOLDEN]))
    capitals = max(range(count), key=lambda index: sum(map(str.isupper, texts[index][:2000])))
    probes = [i for i in range(count, len(texts)) if len(texts[i]) <= LONGEST_GOLDEN]
    return [*sorted({*spread.tolist(), longest, capitals}), *probes]


def write(
    folder: Path,
    rows: Sequence[int],
    texts: Sequence[str],
    ids: Sequence[Array],
    tokenizer: Tokenizer,
    outputs: Mapping[str, Array],
    decisions: Decisions,
) -> None:
    """Writes golden/.

    Args:
        folder: the bundle.
        rows: which of the texts are golden.
        texts: all of them.
        ids: of each text, int32 ``(length,)``.
        tokenizer: fills the ids up.
        outputs: ``(len(texts), outputs)`` under ``"network"`` and under every artifact's path.
        decisions: what the outputs mean.
    """
    golden = folder / "golden"
    golden.mkdir()
    padded, mask = tokenizer.pad([ids[row] for row in rows])
    np.savez_compressed(golden / "inputs.npz", token_ids=padded, padding_mask=mask.astype(np.int32))
    chosen_outputs = {key: value[rows] for key, value in outputs.items()}
    np.savez_compressed(golden / "outputs.npz", **chosen_outputs)  # type: ignore[arg-type]
    labels = {key: decisions.labels(value) for key, value in chosen_outputs.items()}
    entries = [
        {
            "text": texts[row],
            "tokens": len(ids[row]),
            "label": labels["network"][index],
            "artifacts": {key: value[index] for key, value in labels.items() if key != "network"},
        }
        for index, row in enumerate(rows)
    ]
    write_json(golden / "texts.json", entries)


def read(folder: Path) -> Golden:
    """Reads golden/.

    Raises:
        BundleError: it is damaged.
    """
    try:
        entries = read_json(folder / "golden" / "texts.json")
        with np.load(folder / "golden" / "inputs.npz") as archive:
            padded = archive["token_ids"]
        with np.load(folder / "golden" / "outputs.npz") as archive:
            outputs = {key: archive[key] for key in archive.files}
        ids = [row[: entry["tokens"]] for row, entry in zip(padded, entries, strict=True)]
        return Golden([entry["text"] for entry in entries], entries, ids, outputs)
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise BundleError(f"{folder}/golden cannot be read: {error}. Export it again.") from error
