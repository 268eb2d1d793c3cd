"""Golden texts: which are kept, with the token ids that they must become."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.errors import BundleError, KerastlError
from kerastl.files import read_arrays, read_json, write_json
from kerastl.inputs.text_probes import LONGEST_GOLDEN, MOST_GOLDEN
from kerastl.text import Tokenizer

Array = np.ndarray[Any, Any]
TEXTS, IDS = "texts.json", "inputs.npz"
_SHOWN = 40


def chosen(examples: Sequence[str], probes: Sequence[str]) -> Array:
    """Which texts become golden.

    Of the examples, some that are evenly spread, a long one and one in capitals; of the probes
    those that are not very long.
    """
    count = len(examples)
    spread = np.unique(np.linspace(0, count - 1, min(count, MOST_GOLDEN)).astype(int))
    longest = max(range(count), key=lambda index: len(examples[index][:LONGEST_GOLDEN]))
    capitals = max(range(count), key=lambda index: sum(map(str.isupper, examples[index][:2000])))
    short = [count + i for i, text in enumerate(probes) if len(text) <= LONGEST_GOLDEN]
    return np.array([*sorted({*spread.tolist(), longest, capitals}), *short])


def write(
    folder: Path,
    texts: Sequence[str],
    labels: Sequence[Mapping[str, Any]],
    ids: Sequence[Array],
    tokenizer: Tokenizer,
) -> None:
    """Writes texts, their ids and their labels; see ``Input.write_golden``."""
    padded, mask = tokenizer.pad(list(ids))
    np.savez_compressed(folder / IDS, token_ids=padded, padding_mask=mask.astype(np.int32))
    entries = [
        {
            "text": text,
            "tokens": len(row),
            "label": given["network"],
            "artifacts": {key: label for key, label in given.items() if key != "network"},
        }
        for text, given, row in zip(texts, labels, ids, strict=True)
    ]
    write_json(folder / TEXTS, entries)


def check(
    folder: Path,
    tokenizer: Tokenizer,
    encode: Callable[[Sequence[str]], list[Array]],
    settings: Mapping[str, Any],
) -> None:
    """Raises BundleError, with the likely cause, where golden texts get other ids than at export.

    ``encode`` cuts texts as the bundle says; ``settings`` is ``tokenizer`` of its manifest.
    """
    bundle = folder.parent
    try:
        entries = read_json(folder / TEXTS)
        padded = read_arrays(folder / IDS)["token_ids"]
        texts = [entry["text"] for entry in entries]
        wanted = [row[: entry["tokens"]] for row, entry in zip(padded, entries, strict=True)]
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise BundleError(f"{folder} cannot be read: {error}. Export it again.") from error
    try:
        ids = encode(texts)
    except (KerastlError, KeyError, TypeError, ValueError) as error:
        raise BundleError(
            f"The tokenizer of {bundle} cannot be used: {error}. Export it again."
        ) from error
    if _same(ids, wanted):
        _check_settings(bundle, tokenizer, settings)
        return
    position = next(
        i for i, (a, b) in enumerate(zip(ids, wanted, strict=True)) if not np.array_equal(a, b)
    )
    cause = _cause(tokenizer, encode, texts, wanted, ids, settings.get("lowercase"))
    raise BundleError(
        f"The tokenizer of {bundle} gives other ids than at export: {cause}. The first golden text "
        f"that differs is {texts[position][:_SHOWN]!a}: {ids[position][:12].tolist()} of "
        f"{len(ids[position])}, not {wanted[position][:12].tolist()} of {len(wanted[position])}. "
        "Export it again."
    )


def _check_settings(bundle: Path, tokenizer: Tokenizer, settings: Mapping[str, Any]) -> None:
    if tokenizer.sha256 != settings.get("sha256"):
        raise BundleError(f"{bundle}: tokenizer.json is not the one of manifest.json.")
    for name in ("start_ids", "end_ids"):
        own = list(getattr(tokenizer, name))
        if settings.get(name) != own:
            raise BundleError(
                f"{bundle}: manifest.json says that the tokenizer's {name} are "
                f"{settings.get(name)}; they are {own}."
            )


def _same(ids: Iterable[Array], wanted: Iterable[Array]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(ids, wanted, strict=True))


def _cause(
    tokenizer: Tokenizer,
    encode: Callable[[Sequence[str]], list[Array]],
    texts: Sequence[str],
    wanted: Sequence[Array],
    ids: Sequence[Array],
    declared: bool | None,
) -> str:
    longest, now = (max(map(len, rows)) for rows in (wanted, ids))
    ends = len(tokenizer.end_ids)
    if longest != now:
        shorter = min(longest, now) - ends
        kept = ([row[: -ends or None][:shorter] for row in rows] for rows in (ids, wanted))
        if _same(*kept):
            return f"texts are cut at {now} tokens (max_length), and were cut at {longest}"
    # Beyond ASCII, lower() is not what tokenizers do to fold the case.
    plain = [i for i, text in enumerate(texts) if text.isascii()]
    lowered = encode([texts[i].lower() for i in plain])
    folds = _same(lowered, [ids[i] for i in plain])
    if declared is True and not folds:
        return "the case is kept (lowercase), and was folded"
    if declared is False and folds:
        return "the case is folded (lowercase), and was kept"
    return "its vocabulary, its rules or its start and end tokens were changed"
