"""A vector of length 1 for each example: embeddings."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, Self, final

import numpy as np

from kerastl.errors import ConfigurationError, DataWarning
from kerastl.metrics import Replicate, embedding_metrics, neighbours
from kerastl.outputs.class_labels import ClassLabels
from kerastl.outputs.classes import Classes
from kerastl.outputs.gate import TIE, Gate
from kerastl.outputs.judging import (
    Details,
    Marks,
    Table,
    class_tables,
    confusion_of,
    coverage_table,
)
from kerastl.outputs.output import LossSettings

Array = np.ndarray[Any, Any]

LEAST_COSINE = 0.999
LEAST_QUANTIZED_COSINE = 0.98
"""How near an artifact's vector must lie to the network's of the same example."""

# Vectors are used as of length 1: their dot product is taken for their cosine.
_LENGTH = 0.01
# Two vectors whose 1 - cosine is less differ only by rounding.
_IDENTICAL = 1e-9
# Squares that sum up to less are taken for so much: the vector of zeros stays finite.
_LEAST = 1e-12
# Of a vector's numbers; --json gives all.
_SHOWN = 6
PROJECTION = "head_projection"


@final
@dataclasses.dataclass(frozen=True)
class Vector(ClassLabels):
    """A vector of length 1 for each example, whose cosines say how alike examples are.

    Labels are the classes of the training data, int64 ``(n,)``, which a contrastive loss draws
    together; the network does not give them, so that a trained model has no class names.

    Attributes:
        dimensions: how many numbers a vector has; None takes the backbone's own.
        classes: names of the classes of the training data.
        project: whether a linear layer without bias makes the dimensions.
    """

    kind: ClassVar[str] = "embedding"
    family: ClassVar[str] = "embedding"
    tensor: ClassVar[str] = "embedding"
    score: ClassVar[str] = "precision_at_1"
    metric: ClassVar[str] = "precision_at_1"
    gives_vectors: ClassVar[bool] = True
    # The vectors of a pretrained encoder are of use before any training.
    begins_trained: ClassVar[bool] = True

    dimensions: int | None = None
    classes: tuple[str, ...] = ()
    project: bool = False

    @property
    def width(self) -> int:
        """The dimensions."""
        return self.dimensions or 0

    # Labels.

    @property
    def labelling(self) -> Classes:
        """The classes of the training data."""
        return Classes(self.classes)

    def with_classes(self, class_names: tuple[str, ...]) -> Self:
        """With these classes of the training data."""
        return dataclasses.replace(self, classes=class_names)

    def check_trainable(self, labels: Array, batch_size: int) -> None:
        """Refuses a class without examples; warns where most are alone with their class."""
        super().check_trainable(labels, batch_size)
        counts = np.array(list(self.counts(labels).values()))
        partners = (batch_size - 1) * float(np.sum((counts / counts.sum()) ** 2))
        if partners < 1:
            warnings.warn(
                f"In batches of {batch_size} an example has {partners:.2g} others of its class on "
                f"average, of {len(counts)} classes: a contrastive loss has little to draw "
                f"together. Give batch_size={int(np.ceil((batch_size - 1) / partners)) + 1} or "
                "more.",
                DataWarning,
                stacklevel=5,
            )

    def of_network(self, width: int) -> Self:
        """With the network's dimensions, and without the classes, which it does not give."""
        return dataclasses.replace(self, dimensions=width, classes=())

    def for_other_data(self) -> Self:
        """Any classes: vectors of others are compared as well."""
        return dataclasses.replace(self, classes=())

    # Learning.

    def attach(self, features: Any, *, name: str, seed: int) -> Any:
        """An optional projection, then rows of length 1.

        A projection begins orthogonal, and so nearly keeps the angles between vectors. Operations
        of Keras only, so that a saved network needs no class of this library.
        """
        import keras

        ops, vectors = keras.ops, features
        if self.project:
            vectors = keras.layers.Dense(
                self.dimensions,
                use_bias=False,
                name=PROJECTION,
                kernel_initializer=keras.initializers.Orthogonal(seed=seed),
            )(vectors)
        # In 16 bits the squares would lose most of their digits.
        vectors = ops.cast(vectors, "float32")
        squares = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
        vectors = vectors / ops.sqrt(ops.maximum(squares, _LEAST))
        return keras.layers.Identity(name=name, dtype="float32")(vectors)

    def loss(self, phase: LossSettings) -> Any:
        """The contrastive loss."""
        from kerastl.outputs.contrastive import ContrastiveLoss

        if phase.loss != "contrastive":
            raise ConfigurationError(
                f"Phase {phase.title!r}: loss={phase.loss!r} is of classes, and an embedding gives "
                "none: give the phase loss='contrastive', without label_smoothing."
            )
        return ContrastiveLoss()

    def metrics(self) -> list[Any]:
        """See ``PrecisionAtOne``."""
        from kerastl.outputs.contrastive import PrecisionAtOne

        return [PrecisionAtOne(name=self.score)]

    def compares(self, phase: LossSettings) -> bool:
        """Always: the vectors are what trains and what is scored."""
        return True

    def weights(self, labels: Array, class_weight: Any) -> Array | None:
        """None; raises ConfigurationError where class weights are given."""
        if class_weight is not None:
            raise ConfigurationError(
                "class_weight is of classes that a network tells apart; an embedding's loss weighs "
                "an example's own class and the others alike. Leave it out."
            )
        return None

    # Answers.

    def decode(self, outputs: Array) -> list[Any]:
        """None for each row."""
        return [None] * len(outputs)

    def answers(self, outputs: Array) -> list[dict[str, Any]]:
        """``embedding``, a list; ``label`` and ``probability`` are None."""
        rows = np.asarray(outputs).astype(float).tolist()
        return [{"label": None, "probability": None, "embedding": row} for row in rows]

    def line(self, answer: Mapping[str, Any]) -> str:
        """The first numbers."""
        return " ".join(f"{value:.4f}" for value in answer["embedding"][:_SHOWN]) + " ..."

    def predictions(self, outputs: Array) -> Array:
        """The vectors."""
        return outputs

    def measure(self, labels: Array, outputs: Array) -> dict[str, float]:
        """See ``kerastl.metrics.embedding_metrics``."""
        return embedding_metrics(labels, outputs)

    # Judgement.

    def marks(self, labels: Array, outputs: Array) -> Marks:
        """Whether the most similar other example is of the same class, and its cosine."""
        found = neighbours(labels, outputs)
        names = [self.classes[label] for label in labels]
        answers = [names[place] for place in found.nearest]
        return Marks(names, answers, found.hits, found.cosine)

    def shares(self, labels: Array, outputs: Array) -> dict[str, tuple[int, int]]:
        """Precision at 1."""
        found = neighbours(labels, outputs)
        counted = int(found.counted.sum())
        return {"precision_at_1": (int(found.hits.sum()), counted)} if counted else {}

    def replicate(self, labels: Array, outputs: Array) -> Replicate:
        """Precision at 1 alone: neighbours stay, since a repeated example would be its own."""
        found = neighbours(labels, outputs)
        hits, counted = found.hits.astype(np.float64), found.counted

        def resampled(rows: Array) -> dict[str, float]:
            return {"precision_at_1": float(hits[rows].sum() / max(1, counted[rows].sum()))}

        return resampled

    def details(self, labels: Array, outputs: Array, marks: Marks) -> Details:
        """Precision at 1 of each class, which classes lie among others, and coverage by cosine."""
        found, confusion = neighbours(labels, outputs), confusion_of(marks, self.classes)
        counted = np.bincount(labels[found.counted], minlength=len(self.classes))
        hits = np.bincount(labels[found.hits], minlength=len(self.classes))
        rows = [
            {"class": name, "precision_at_1": int(hit) / int(n) if n else None, "examples": int(n)}
            for name, hit, n in zip(self.classes, hits, counted, strict=True)
        ]
        classes = Table("Classes", tuple(rows), ("bars", "class", "precision_at_1"))
        tables = {**class_tables(confusion), "classes": classes, **coverage_table(marks)}
        return Details(tables=tables, confusion=confusion)

    def constant(self, labels: Array) -> Array | None:
        """None: vectors that are all alike tell nothing apart."""
        return None

    def shown(self, output: Array, numbers: int = 4) -> str:
        """The first numbers of a vector."""
        first = " ".join(f"{value:.4f}" for value in output[:numbers])
        return f"[{first} ...]" if len(output) > numbers else f"[{first}]"

    # Proof.

    def agreement_of(self, noun: str) -> str:
        """Vectors that are near enough."""
        return (
            f"vectors of a cosine of at least {LEAST_COSINE} with the network's, quantised "
            f"{LEAST_QUANTIZED_COSINE}, that are no nearer to the network's vector of another "
            f"{noun}"
        )

    def agreeing(
        self, reference: Array, outputs: Array, gate: Gate, quantization: str | None
    ) -> Array:
        """Which examples an artifact has the network's vector of: bool ``(n,)``.

        Its vector must be near the network's own of that example (``LEAST_COSINE``), no longer or
        shorter than it by more than 1 %, and no nearer to the network's vector of any other
        example: a search then finds what it would find with the network. Examples whose vectors
        in the network are identical, such as copies, are excused with one another.
        """
        finite = np.asarray(np.isfinite(outputs).all(axis=1))
        outputs = np.where(finite[:, None], outputs, 0.0)
        own, found = _unit(reference), _unit(outputs)
        similar = found @ own.T
        near = np.diag(similar)
        identical = 1.0 - own @ own.T <= _IDENTICAL
        nearer = (similar > near[:, None] + TIE) & ~identical
        lengths = np.linalg.norm(outputs, axis=1) - np.linalg.norm(reference, axis=1)
        whole = np.abs(lengths) <= _LENGTH
        least = least_cosine(quantization)
        return np.asarray(finite & whole & (near >= least) & ~nearer.any(axis=1))

    def parity_details(
        self, reference: Array, outputs: Array, gate: Gate, quantization: str | None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The cosine that was asked for, and the smallest that was found."""
        found = {"least_cosine": float(cosines(reference, outputs).min())}
        return {"cosine": least_cosine(quantization)}, found

    def meaning(self, reference: Array) -> str:
        """Vectors."""
        return "vectors of length 1"

    def column(self, index: int) -> str:
        """A dimension."""
        return f"dimension {index}"

    # Card.

    def hub_tags(self, input_kind: str) -> tuple[str, ...]:
        """The hub's names for vectors."""
        if input_kind == "text":
            return ("sentence-similarity", "feature-extraction")
        return (f"{input_kind}-feature-extraction", "feature-extraction")

    def title(self, noun: str) -> str:
        """An embedding."""
        return f"{noun.capitalize()} embedding: {self.width} dimensions"

    def use(self, noun: str, nouns: str, origin: str) -> str:
        """Turning examples into vectors."""
        article = "an" if noun[0] in "aeiou" else "a"
        return (
            f"This model turns {article} {noun} into a vector of {self.width} numbers and length "
            f"1: the dot product of two such vectors is their cosine, and says how alike two "
            f"{nouns} are. It is made for search, for grouping {nouns} and for finding duplicates."
            f'{origin} Use it on {nouns} like those it was trained on; what cosine means "alike" '
            f"differs from model to model, so choose the limit on {nouns} of your own."
        )

    def caveats(self, noun: str, nouns: str) -> list[str]:
        """What a cosine is not."""
        return [
            f"Agreement is the share of {self.agreement_of(noun)}.",
            f"A cosine is no probability: 0.5 does not mean that two {nouns} are alike half of "
            "the time.",
        ]


def least_cosine(quantization: str | None) -> float:
    """The cosine that an example's vector must reach."""
    return LEAST_COSINE if quantization is None else LEAST_QUANTIZED_COSINE


def cosines(reference: Array, outputs: Array) -> Array:
    """The cosine of the two vectors of each row, float64 ``(n,)``; 0 where one has no length."""
    return np.asarray(np.sum(_unit(reference) * _unit(outputs), axis=1))


def _unit(vectors: Array) -> Array:
    rows = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)
