"""Files in folders: which are examples, which are not, and in which order they come."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath

from kerastl.errors import DataError, counted
from kerastl.inputs import Reader
from kerastl.outputs.names import listed, normal

# What lies beside class folders to tell of the data, in lower case and without suffix.
_ABOUT_THE_DATA = frozenset({"readme", "license", "licence", "copying", "notice", "citation"})


class IgnoredFilesWarning(UserWarning):
    """Files or folders were left out because they belong to no class, or cannot be examples."""


def files_below(
    folder: Path, barred: set[str], suffixes: frozenset[str]
) -> tuple[list[Path], Counter[str]]:
    """Files of a kind at any depth, sorted by path, and the suffixes of what was passed over.

    Links must not lead into the folders whose real paths are ``barred``.
    """
    found: list[Path] = []
    others: Counter[str] = Counter()
    seen = set(barred)
    pending = [folder]
    while pending:
        for entry in entries_of(pending.pop()):
            if is_folder(entry):
                real = os.path.realpath(entry.path)
                if real not in seen:
                    seen.add(real)
                    pending.append(Path(entry.path))
            elif not has_suffix(entry.name, suffixes):
                others[suffix_of(entry.name)] += 1
            elif entry.is_symlink() or entry.is_file():
                # A link that leads nowhere is kept, to be reported as unreadable.
                found.append(Path(entry.path))
    return sorted(found, key=lambda path: normal(path.as_posix())), others


def entries_of(folder: Path) -> list[os.DirEntry[str]]:
    """What a folder holds, hidden things left out, sorted by name; raises DataError."""
    try:
        with os.scandir(folder) as found:
            visible = [entry for entry in found if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}.") from error
    return sorted(visible, key=lambda entry: normal(entry.name))


def folders_in(folder: Path) -> list[Path]:
    """The folders in a folder, hidden ones left out, sorted by name."""
    return [Path(entry.path) for entry in entries_of(folder) if is_folder(entry)]


def files_in(folder: Path, suffixes: frozenset[str]) -> tuple[list[Path], Counter[str]]:
    """As ``files_below``, of the folder itself; what is about the data is not counted."""
    found: list[Path] = []
    others: Counter[str] = Counter()
    for entry in entries_of(folder):
        if is_folder(entry):
            continue
        if has_suffix(entry.name, suffixes):
            found.append(Path(entry.path))
        elif PurePath(entry.name).stem.lower() not in _ABOUT_THE_DATA:
            others[suffix_of(entry.name)] += 1
    return found, others


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:
        # A link to itself has no kind.
        return False


def suffix_of(name: str) -> str:
    """A file's suffix in lower case, or ``"without suffix"``."""
    return PurePath(name).suffix.lower() or "without suffix"


def has_suffix(name: str, suffixes: frozenset[str]) -> bool:
    """Whether a file's suffix is one of some, whatever its case."""
    return os.path.splitext(name)[1].lower() in suffixes  # noqa: PTH122


def ignored_message(where: str, ignored: Mapping[str, int], reader: Reader) -> str:
    """What is said of files that were passed over; ``ignored`` counts them by suffix."""
    total = sum(ignored.values())
    by_count = sorted(ignored.items(), key=lambda item: (-item[1], item[0]))
    kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in by_count)
    helped = {suffix: way for suffix, way in reader.lacking.items() if suffix in ignored}
    article = "an" if reader.noun[0] in "aeiou" else "a"
    kind = f"is not {article} {reader.noun}" if total == 1 else f"are not {reader.nouns}"
    here = " that can be read here" if helped else ""
    past = "was" if total == 1 else "were"
    ways = "".join(
        f" To read {' and '.join(s for s, w in helped.items() if w == way)} files: {way}"
        for way in dict.fromkeys(helped.values())
    )
    return f"{where}: {counted(total, 'file')} {kind}{here} and {past} ignored: {kinds}.{ways}"


def outside_message(where: str, files: Iterable[Path], root: Path, reader: Reader) -> str:
    """What is said of examples that lie in no class folder."""
    names = [path.relative_to(root).as_posix() for path in files]
    verb = "is" if len(names) == 1 else "are"
    return (
        f"{where} holds {counted(len(names), reader.noun, reader.nouns)} outside any class folder, "
        f"which {verb} ignored: {listed(names)}."
    )
