"""The families of text encoders: what their members have in common."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from typing import Any

from kerastl.backbones.record import TextBackbone, TextPooling
from kerastl.text import TokenizerKind

# Everything before the first layer is a stage of its own, so that it can stay frozen alone.
_LAYER = "(?:transformer|transformer_encoder|disentangled_attention_encoder|f_net)_(?=layer)"
LAYERS = rf".*?(?:{_LAYER}|(?=embedding))(layer_\d+|embedding)"
SHARED_LAYERS = r"(?:(?=group)|.*?(?=embedding))(group_\d+|embedding)"


@dataclasses.dataclass(frozen=True)
class Family:
    """One architecture.

    Attributes:
        pad_id: of the published vocabularies.
        pooling: what its own classifier does.
        shares_layers: all layers have one set of weights.
        takes_mask: padding has no part in what it gives for the other tokens.
        model_type: what a Hugging Face ``config.json`` calls it.
    """

    constructor: str
    tokenizer: TokenizerKind
    pad_id: int
    pooling: TextPooling = "class_token"
    shares_layers: bool = False
    takes_mask: bool = True
    model_type: str = ""

    @property
    def tokenizer_class(self) -> str:
        """The class of its tokenizers in ``keras_hub.models``."""
        return self.constructor.replace("Backbone", "Tokenizer")


BERT = Family("BertBackbone", "word_piece", 0, model_type="bert")
DISTIL_BERT = Family("DistilBertBackbone", "word_piece", 0, model_type="distilbert")
ELECTRA = Family("ElectraBackbone", "word_piece", 0, model_type="electra")
ROBERTA = Family("RobertaBackbone", "byte_pair", 1, model_type="roberta")
XLM_ROBERTA = Family("XLMRobertaBackbone", "unigram", 1, model_type="xlm-roberta")
DEBERTA_V3 = Family("DebertaV3Backbone", "unigram", 0, model_type="deberta-v2")
ALBERT = Family("AlbertBackbone", "unigram", 0, shares_layers=True, model_type="albert")
F_NET = Family("FNetBackbone", "unigram", 3, takes_mask=False, model_type="fnet")
T5 = Family("T5Backbone", "unigram", 0, pooling="mean", model_type="t5")

FAMILIES: Mapping[str, Family] = types.MappingProxyType(
    {
        family.constructor: family
        for family in (
            BERT, DISTIL_BERT, ELECTRA, ROBERTA, XLM_ROBERTA, DEBERTA_V3, ALBERT, F_NET, T5,
        )
    }
)  # fmt: skip


def family_record(
    family: Family,
    name: str,
    arguments: Mapping[str, Any],
    parameters: int = 0,
    licence: str = "LicenseRef-unknown",
    paper: str = "",
    *,
    max_length: int = 512,
    preset: str | None = None,
    pooling: TextPooling | None = None,
    pad_id: int | None = None,
) -> TextBackbone:
    """The record of a member of a family (see ``TextBackbone``), with what the family settles."""
    # KerasHub's ELECTRA has a name of its own for it.
    size = arguments.get("vocabulary_size", arguments.get("vocab_size"))
    return TextBackbone(
        name=name,
        constructor=family.constructor,
        max_length=max_length,
        features=int(arguments["hidden_dim"]),
        parameters=parameters,
        vocabulary_size=int(size or 0),
        stage_pattern=SHARED_LAYERS if family.shares_layers else LAYERS,
        fine_tune_from="group_0" if family.shares_layers else "layer_0",
        tokenizer=family.tokenizer,
        pad_id=family.pad_id if pad_id is None else pad_id,
        pooling=pooling or family.pooling,
        licence=licence,
        paper=paper,
        arguments=arguments,
        preset=preset,
    )
