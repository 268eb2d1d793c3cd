"""Labelled texts with random access: the text counterpart of ``ImageDataset``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias, final, get_args

import numpy as np
import numpy.typing as npt

from kerastl.data.dataset import Groups
from kerastl.data.text_splits import split_positions
from kerastl.errors import ConfigurationError, DataError, TextError, did_you_mean
from kerastl.text.strings import check_text

TextKind: TypeAlias = Literal["single_label", "multi_label", "regression"]
"""One class a text, any number of classes a text, or a number a text."""

TextLabels: TypeAlias = npt.NDArray[np.int64] | npt.NDArray[np.float32]
"""Class indices ``(n,)``, zeros and ones ``(n, classes)``, or numbers ``(n,)``."""

_FINGERPRINT_VERSION = 1


def check_kind(kind: str) -> TextKind:
    """Returns ``kind`` where it is one of the three.

    Raises:
        ConfigurationError: it is another value.
    """
    for known in get_args(TextKind):
        if kind == known:
            return known  # type: ignore[no-any-return]
    raise ConfigurationError(
        f"kind must be 'single_label', 'multi_label' or 'regression'. Received: {kind!r}."
        f"{did_you_mean(str(kind), get_args(TextKind))}"
    )


@final
class TextDataset:
    """Labelled texts in a fixed order, held in memory.

    Args:
        texts: strings.
        labels: for ``"single_label"`` class indices ``(n,)``, integers; for ``"multi_label"``
            zeros and ones ``(n, classes)``; for ``"regression"`` finite numbers ``(n,)``.
        class_names: names of the classes, in the order of the indices; ``()`` for regression.
        kind: what the labels are.
        names: where each text came from, such as a line of a table; positions without it.
        groups: the group of each text, for splits.

    Raises:
        TextError: a text is no string, or cannot be written as UTF-8.
        DataError: ``labels``, ``names`` or ``groups`` do not match ``texts`` in length, or a
            label cannot be.
        ConfigurationError: ``kind`` is none of the three.

    Example:
        >>> data = TextDataset(["good", "bad", "fine", "poor"], [1, 0, 1, 0], ["no", "yes"])
        >>> len(data), data.class_counts()
        (4, {'no': 2, 'yes': 2})
    """

    def __init__(
        self,
        texts: Sequence[str],
        labels: npt.ArrayLike,
        class_names: Iterable[str],
        *,
        kind: TextKind = "single_label",
        names: Iterable[str] | None = None,
        groups: Groups | None = None,
    ) -> None:
        self.kind = check_kind(kind)
        self.names = tuple(map(str, range(len(texts)))) if names is None else tuple(names)
        self.class_names = tuple(class_names)
        self.groups = groups
        if isinstance(texts, str):
            raise TextError(f"texts must be a list of strings. Received the string {texts!r}.")
        sizes = {"labels": np.asarray(labels).shape[:1], "names": (len(self.names),)}
        if groups is not None:
            sizes["groups"] = (len(groups),)
        for what, size in sizes.items():
            if size != (len(texts),):
                count = size[0] if size else "no list of"
                raise DataError(
                    f"There are {len(texts)} texts but {count} {what}. They must match."
                )
        self.texts = tuple(
            check_text(text, what=f"The text {name!r}")
            for text, name in zip(texts, self.names, strict=True)
        )
        self.labels: TextLabels = _checked_labels(labels, self.class_names, self.kind)
        self.labels.flags.writeable = False

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        return f"TextDataset({len(self)} texts, {self.num_classes} classes, {self.kind!r})"

    @property
    def num_classes(self) -> int:
        """How many classes there are; 0 for regression."""
        return len(self.class_names)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of kind and class names, and of each text and its label, in order."""
        digest = hashlib.sha256(f"text {_FINGERPRINT_VERSION} {self.kind}".encode())
        digest.update(json.dumps(self.class_names).encode())
        for text, label in zip(self.texts, self.labels.tolist(), strict=True):
            digest.update(json.dumps([text, label]).encode())
        return digest.hexdigest()

    def size_hint(self) -> int:
        """The number of texts."""
        return len(self)

    def class_counts(self) -> dict[str, int]:
        """The number of texts by class name, zeros included; empty for regression.

        With several labels a text, the numbers may add up to more or less than there are texts.
        """
        if self.kind == "regression":
            return {}
        if self.kind == "multi_label":
            counts = self.labels.sum(axis=0).astype(np.int64)
        else:
            counts = np.bincount(self.labels.astype(np.int64), minlength=self.num_classes)
        return dict(zip(self.class_names, counts.tolist(), strict=True))

    def subset(self, indices: Sequence[int] | npt.NDArray[np.integer[Any]]) -> TextDataset:
        """The texts at ``indices``, in that order, with the same class names."""
        rows = np.asarray(indices, dtype=np.int64)
        return TextDataset(
            [self.texts[i] for i in rows],
            self.labels[rows],
            self.class_names,
            kind=self.kind,
            names=[self.names[i] for i in rows],
            groups=None if self.groups is None else [self.groups[i] for i in rows],
        )

    def split(
        self, fraction: float, *, seed: int, groups: Groups | None = None
    ) -> tuple[TextDataset, TextDataset]:
        """Splits into training and validation, every class on both sides.

        Groups are those given here, or else those of the data set. Without any, copies of one
        text are kept on one side, so that none leaks into validation.

        Args:
            fraction: share of the validation side, between 0 and 1.
            seed: seed of the choice.
            groups: the group of each text; a group is never on both sides.

        Raises:
            DataError: a class has a single text, or the groups cannot be divided.
            ConfigurationError: ``fraction`` or ``seed`` cannot be.
        """
        train, validation = split_positions(
            self.texts,
            self.labels,
            fraction,
            seed=seed,
            groups=groups if groups is not None else self.groups,
            class_names=self.class_names,
        )
        return self.subset(train), self.subset(validation)


def _checked_labels(labels: npt.ArrayLike, class_names: tuple[str, ...], kind: str) -> TextLabels:
    values = np.asarray(labels)
    count = len(class_names)
    if values.dtype.kind not in "iufb":
        raise DataError(f"Labels must be numbers. Received an array of {values.dtype}.")
    if kind == "regression":
        if class_names:
            raise DataError(f"Regression has no classes. Received class_names={class_names!r}.")
        if values.ndim != 1 or not np.isfinite(values).all():
            raise DataError(
                "For regression, labels must be finite numbers of the shape (n,). Received: "
                f"{values.shape}{'' if np.isfinite(values).all() else ' with NaN or infinity'}."
            )
        return values.astype(np.float32)
    if kind == "multi_label":
        if values.ndim != 2 or values.shape[1] != count or not np.isin(values, (0, 1)).all():
            raise DataError(
                f"With several labels a text, labels must be zeros and ones of the shape "
                f"(n, {count}), one column a class name. Received the shape {values.shape}."
            )
        return values.astype(np.float32)
    if values.ndim != 1 or values.dtype.kind == "f":
        raise DataError(
            f"Labels must be class indices, integers of the shape (n,). Received: {values.dtype} "
            f"of the shape {values.shape}."
        )
    if len(values) and not (values.min() >= 0 and values.max() < count):
        raise DataError(
            f"Labels must be from 0 to {count - 1}, one of {count} class names each. Received "
            f"labels from {values.min()} to {values.max()}."
        )
    return values.astype(np.int64)
