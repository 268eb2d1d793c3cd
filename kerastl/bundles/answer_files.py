"""Answers in files: CSV, JSON Lines and Parquet; the first two can be resumed."""

from __future__ import annotations

import abc
import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final

from kerastl.data.delimited import long_fields
from kerastl.errors import ConfigurationError, did_you_mean
from kerastl.files import atomic_file, read_json, write_json
from kerastl.optional import require
from kerastl.outputs.details import flat

Answer = Mapping[str, Any]


class AnswerFile(abc.ABC):
    """A file that answers are written to as they come.

    Attributes:
        path: the file.
        done: how often each input has an answer in it already.
    """

    suffix: ClassVar[str]
    resumes: ClassVar[bool] = True

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.path = path
        self.done: Counter[str] = Counter()
        self._stack = stack

    @abc.abstractmethod
    def write(self, answers: Sequence[Answer]) -> None:
        """Writes answers; they are on the disk when it returns, unless the file is Parquet."""


class _Lines(AnswerFile):
    """A file of text that grows by whole rows, so that a kill loses one at most."""

    def __init__(
        self, path: Path, stack: ExitStack, made_by: Mapping[str, Any], *, resume: bool
    ) -> None:
        super().__init__(path, stack)
        self._made_by = made_by
        self._handle: BinaryIO | None = None
        self._resume = resume and path.exists()
        if self._resume:
            _check_made_by(path, made_by)
            self._cut(self._sound(path.read_bytes()))

    def write(self, answers: Sequence[Answer]) -> None:
        """Appends rows."""
        if not answers:
            return
        if self._handle is None:
            self._handle = self._opened()
        self._handle.write(self._rows(answers))
        self._handle.flush()
        os.fsync(self._handle.fileno())

    def _opened(self) -> BinaryIO:
        if not self._resume:
            # An old file must never stand beside the record of a new one.
            self.path.unlink(missing_ok=True)
            write_json(_record(self.path), dict(self._made_by))
        return self._stack.enter_context(self.path.open("ab"))

    def _cut(self, size: int) -> None:
        if size < self.path.stat().st_size:
            os.truncate(self.path, size)

    @abc.abstractmethod
    def _rows(self, answers: Sequence[Answer]) -> bytes:
        """Answers as they stand in the file."""

    @abc.abstractmethod
    def _sound(self, content: bytes) -> int:
        """How many bytes of a file are whole rows, which are counted as done."""


class _JsonLines(_Lines):
    suffix = ".jsonl"

    def _rows(self, answers: Sequence[Answer]) -> bytes:
        lines = (json.dumps(answer, ensure_ascii=False) + "\n" for answer in answers)
        return "".join(lines).encode("utf-8")

    def _sound(self, content: bytes) -> int:
        size = 0
        for line in content.splitlines(keepends=True):
            try:
                row = json.loads(line)
            except ValueError:
                break
            if not line.endswith(b"\n") or not isinstance(row, dict) or "input" not in row:
                break
            self.done[row["input"]] += 1
            size += len(line)
        return size


class _Csv(_Lines):
    suffix = ".csv"

    def __init__(
        self, path: Path, stack: ExitStack, made_by: Mapping[str, Any], *, resume: bool
    ) -> None:
        self._columns: list[str] = []
        super().__init__(path, stack, made_by, resume=resume)

    def _rows(self, answers: Sequence[Answer]) -> bytes:
        rows = [flat(answer) for answer in answers]
        text = io.StringIO(newline="")
        # RFC 4180, lines that end with \r\n: so both of them are quoted inside of a field.
        writer = csv.writer(text)
        if not self._columns:
            self._columns = list(rows[0])
            writer.writerow(self._columns)
        writer.writerows([_cell(row.get(name)) for name in self._columns] for row in rows)
        return text.getvalue().encode("utf-8")

    def _sound(self, content: bytes) -> int:
        size = read = 0

        def lines() -> Iterator[str]:
            nonlocal read
            for line in content.split(b"\n"):
                read += len(line) + 1
                yield line.decode("utf-8", "replace") + "\n"

        # A quoted field that was not written to its end is an error.
        with long_fields(), suppress(csv.Error):
            for row in csv.reader(lines(), strict=True):
                if read > len(content) or (self._columns and len(row) != len(self._columns)):
                    break
                if self._columns:
                    self.done[row[0]] += 1
                else:
                    self._columns = row
                size = read
        return size


class _Parquet(AnswerFile):
    """A Parquet file, which appears whole or not at all."""

    suffix = ".parquet"
    resumes = False

    def __init__(
        self, path: Path, stack: ExitStack, made_by: Mapping[str, Any], *, resume: bool
    ) -> None:
        super().__init__(path, stack)
        self._arrow = require("pyarrow", extra="parquet", purpose=f"Writing {path}")
        self._parquet = require("pyarrow.parquet", extra="parquet", purpose=f"Writing {path}")
        self._writer: Any = None

    def write(self, answers: Sequence[Answer]) -> None:
        """Writes a group of rows."""
        if not answers:
            return
        rows = [flat(answer) for answer in answers]
        if self._writer is None:
            schema = self._arrow.schema([(name, self._type(rows, name)) for name in rows[0]])
            temporary = self._stack.enter_context(atomic_file(self.path))
            self._writer = self._stack.enter_context(self._parquet.ParquetWriter(temporary, schema))
        self._writer.write_table(self._arrow.Table.from_pylist(rows, schema=self._writer.schema))

    def _type(self, rows: Sequence[Mapping[str, Any]], name: str) -> Any:
        """The type of a column, by the first value in it that says something."""
        arrow = self._arrow
        values = [row[name] for row in rows if row[name] is not None]
        if any(isinstance(value, list) for value in values):
            held = [item for value in values for item in value]
            names = name.rpartition("/")[2].startswith("label")
            texts = isinstance(held[0], str) if held else names
            return arrow.list_(arrow.string() if texts else arrow.float64())
        if values and isinstance(values[0], int):
            return arrow.int64()
        return arrow.float64() if values and isinstance(values[0], float) else arrow.string()


_KINDS: Final[tuple[Any, ...]] = (_Csv, _JsonLines, _Parquet)


def check_out(path: Path, *, resume: bool, overwrite: bool) -> None:
    """Raises ConfigurationError where answers cannot be written to a file; writes nothing."""
    kind = _kind(path)
    if resume and overwrite:
        raise ConfigurationError("--resume and --overwrite exclude each other. Give one of them.")
    if resume and not kind.resumes:
        raise ConfigurationError(
            f"{path}: a Parquet file is written as a whole, so that there is nothing to go on "
            "with. Leave --resume out, or write .csv or .jsonl."
        )
    if not path.resolve().parent.is_dir():
        raise ConfigurationError(f"--out {path}: there is no folder {path.resolve().parent}.")
    if path.is_dir():
        raise ConfigurationError(f"--out {path} is a folder. Name a file.")
    if path.exists() and not (resume or overwrite):
        raise ConfigurationError(
            f"{path} exists already. Go on with it (--resume), replace it (--overwrite), or choose "
            "another name."
        )


@contextmanager
def answer_file(path: Path, made_by: Mapping[str, Any], *, resume: bool) -> Iterator[AnswerFile]:
    """Opens a file for answers by its suffix: ``.csv``, ``.jsonl`` or ``.parquet``.

    Args:
        path: the file; it is made with the first answer.
        made_by: JSON data on what makes the answers, which is kept beside the file.
        resume: go on with a file that is there, without a last row that is not whole.

    Raises:
        ConfigurationError: the file was made by something else.
        MissingExtraError: pyarrow is needed and not installed.
    """
    with ExitStack() as stack:
        file: AnswerFile = _kind(path)(path, stack, made_by, resume=resume)
        yield file


def _kind(path: Path) -> Any:
    kinds = {kind.suffix: kind for kind in _KINDS}
    suffix = path.suffix.lower()
    if suffix not in kinds:
        raise ConfigurationError(
            f"--out {path}: answers are written as {', '.join(kinds)}.{did_you_mean(suffix, kinds)}"
        )
    return kinds[suffix]


def _record(path: Path) -> Path:
    """What made a file, beside it."""
    return path.with_name(f"{path.name}.made_by.json")


def _check_made_by(path: Path, made_by: Mapping[str, Any]) -> None:
    try:
        found = read_json(_record(path))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{path} cannot be resumed: {_record(path).name}, which says what made it, is "
            "missing or damaged. Replace the file (--overwrite), or choose another name."
        ) from error
    differing = [key for key in made_by if found.get(key) != made_by[key]]
    if differing:
        raise ConfigurationError(
            f"{path} was made with another {' and another '.join(differing)}, and can only be "
            "resumed with the same. Replace the file (--overwrite), or choose another name."
        )


def _cell(value: Any) -> Any:
    """A value as a field of a table of text; lists are JSON."""
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value
