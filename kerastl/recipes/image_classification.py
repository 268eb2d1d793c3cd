"""Classes, labels and numbers of images by transfer learning."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, final

from kerastl.graph import find_stages
from kerastl.heads import Head, Outputs, OwnHead, find_features
from kerastl.model import TrainedModel
from kerastl.recipes.classification import Classification
from kerastl.recipes.image_recipe import ImageRecipe
from kerastl.recipes.recipe import Base


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageClassification(ImageRecipe[TrainedModel], Classification):
    """A recipe: labelled photographs, a pretrained backbone, a new head.

    It is inert: nothing is built or loaded before ``fit`` or ``build``.

    Attributes:
        backbone: a name of ``kerastl.list_backbones("image")``; ``NAME@WEIGHTS`` gives the
            weights too. Or a Keras model of your own, from images to features, with its weights.
        preprocessing: of a model of your own, how pixels from 0 to 255 are mapped to what it
            takes: ``"tf"``, ``"torch"``, ``"caffe"``, ``"clip"``, ``"unit"``, or ``"included"``
            where it does it itself (see ``kerastl.backbones.Backbone``).
        weights: ``"imagenet"`` (what Keras or KerasHub downloads for that backbone), a path,
            ``"pkg:DISTRIBUTION/PATH"`` (a file inside an installed distribution), a run directory
            of the same backbone, or None for random weights. For backbones of KerasHub also a
            preset, or a local directory that KerasHub, Hugging Face transformers or timm wrote.
        image_size: height and width in pixels, as one number or two; None takes the size that
            the backbone's weights were trained at.
        resize: what becomes of an image whose aspect ratio is another than the network's:
            ``"stretch"`` it, ``"pad"`` it with grey, or ``"crop"`` its centre.
        augment: how training images are varied; None not at all. Where an output is a number, the
            default only mirrors: a count or a size changes with a crop.
        kind: ``"single_label"``: a class for each image; ``"multi_label"``: any number of
            classes; ``"regression"``: a number.
        outputs: several outputs by name that are learned together, each a kind or an ``Output``,
            as in ``{"count": "regression", "species": "multi_label"}``; None is one of ``kind``.
            An image may lack some of its labels.
        loss_weights: of several outputs the weight of each one's loss by name, ``"uncertainty"``
            to learn them, or None for 1 each.
        head: what is trained on top of the backbone: a ``Head``, or layers of your own as a
            ``keras.Sequential`` or a list, without the last one.
        plan: the phases, or the name of a plan; None is ``two_phase()``. With random weights there
            is nothing worth freezing: train them with ``full(batch_norm=True)``.
        batch_size: images per step.
        class_weight: ``"balanced"``, a dict of a weight for each class name, or None; of several
            outputs a dict of these by output name.
        cache: the frozen part's activations are computed once for each view, and kept on disk
            for later runs: ``"auto"`` where that pays, True always, a path in that folder.
            False runs the frozen part again at each step, with new variations each epoch. The
            folder is ``KERASTL_CACHE`` or the user's cache folder (see ``kerastl cache``).
        cache_dtype: ``"float32"``, or ``"float16"`` or ``"bfloat16"`` to halve the space.
        memory_limit: bytes of activations that are held in memory; beyond it they are read
            from disk as they are needed.
        precision: what training computes in: ``"float32"``, ``"mixed_float16"`` or
            ``"mixed_bfloat16"``, which are faster on GPUs that are made for it. Weights stay
            float32, and so do the outputs; the trained network computes in float32.

    Examples:
        >>> import kerastl
        >>> recipe = kerastl.ImageClassification(backbone="mobilenet_v2", image_size=160)
        >>> kerastl.ImageClassification.from_config(recipe.get_config()) == recipe
        True
    """

    NAME: ClassVar[str] = "image_classification"
    LATER: ClassVar[tuple[str, ...]] = ("kind", *ImageRecipe.LATER, *Classification.LATER)

    head: Any = dataclasses.field(default_factory=Head)

    def attach(self, base: Base, outputs: Outputs, *, seed: int) -> Any:
        """The head on the feature maps that it reads."""
        head = self.resolved_head
        if isinstance(head, OwnHead):
            return head.attach(base.model.output, outputs, seed=seed)
        stages = find_stages(base.model, self.record.stage_pattern)
        return head.attach(find_features(base.model, head.features, stages), outputs, seed=seed)
