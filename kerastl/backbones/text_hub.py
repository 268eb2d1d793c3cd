"""The text encoders of KerasHub that have a name: one record each.

Architectures are those of the published weights that ``preset`` names; a test holds the number of
their weights against the one that KerasHub publishes.
"""

from __future__ import annotations

import functools
from typing import Any

from kerastl.backbones.record import ARXIV, TextBackbone
from kerastl.backbones.text_families import (
    ALBERT,
    BERT,
    DEBERTA_V3,
    DISTIL_BERT,
    ELECTRA,
    F_NET,
    ROBERTA,
    T5,
    XLM_ROBERTA,
    Family,
    family_record,
)

_APACHE = "Apache-2.0"
_MIT = "MIT"
_CASED = 28_996
_UNCASED = 30_522
_CHINESE = 21_128
_MULTI = 119_547


def _size(layers: int, heads: int, width: int, vocabulary: int, **others: Any) -> dict[str, Any]:
    """Arguments that nearly all families take; texts have 512 positions."""
    return {
        "vocabulary_size": vocabulary,
        "num_layers": layers,
        "num_heads": heads,
        "hidden_dim": width,
        "intermediate_dim": 4 * width,
        "max_sequence_length": 512,
        **others,
    }


def _f_net(layers: int, width: int) -> dict[str, Any]:
    arguments = _size(layers, 0, width, 32_000)
    del arguments["num_heads"]
    return arguments


def _electra(layers: int, heads: int, width: int, embedding: int) -> dict[str, Any]:
    arguments = _size(layers, heads, width, _UNCASED, embedding_dim=embedding)
    arguments["vocab_size"] = arguments.pop("vocabulary_size")
    return arguments


def _t5(layers: int, heads: int, width: int) -> dict[str, Any]:
    arguments = _size(layers, heads, width, 32_128, use_gated_activation=False)
    # Positions are relative: there is no longest text.
    del arguments["max_sequence_length"]
    return arguments


def _record(
    family: Family,
    licence: str,
    paper: str,
    name: str,
    arguments: dict[str, Any],
    parameters: int,
    *,
    preset: str | None = None,
    **own: Any,
) -> TextBackbone:
    return family_record(
        family, name, arguments, parameters, licence, ARXIV + paper, preset=preset or name, **own
    )


_MINILM = functools.partial(_record, BERT, _APACHE, "2002.10957")
_SMALL_BERT = functools.partial(_record, BERT, _APACHE, "1908.08962")
_BERT = functools.partial(_record, BERT, _APACHE, "1810.04805")
_DISTIL_BERT = functools.partial(_record, DISTIL_BERT, _APACHE, "1910.01108")
_ROBERTA = functools.partial(_record, ROBERTA, _MIT, "1907.11692")
_XLM_ROBERTA = functools.partial(_record, XLM_ROBERTA, _MIT, "1911.02116")
_DEBERTA_V3 = functools.partial(_record, DEBERTA_V3, _MIT, "2111.09543")
_ALBERT = functools.partial(_record, ALBERT, _APACHE, "1909.11942")
_ELECTRA = functools.partial(_record, ELECTRA, _APACHE, "2003.10555")
_FNET = functools.partial(_record, F_NET, _APACHE, "2105.03824")
_T5 = functools.partial(_record, T5, _APACHE, "1910.10683")

# fmt: off
TEXT = (
    # all-MiniLM-L6-v2, trained to compare sentences by the mean of their tokens.
    _MINILM("minilm_l6", _size(6, 12, 384, _UNCASED), 22_565_376,
        preset="all_minilm_l6_v2_en", max_length=256, pooling="mean"),
    _MINILM("minilm_l12", _size(12, 12, 384, _UNCASED), 33_212_160,
        preset="all_minilm_l12_v2_en", max_length=128, pooling="mean"),
    _record(BERT, _MIT, "2309.07597", "bge_small_en", _size(12, 12, 384, _UNCASED), 33_212_160),
    _SMALL_BERT("bert_tiny_en_uncased", _size(2, 2, 128, _UNCASED), 4_369_408),
    _SMALL_BERT("bert_small_en_uncased", _size(4, 8, 512, _UNCASED), 28_500_992),
    _SMALL_BERT("bert_medium_en_uncased", _size(8, 8, 512, _UNCASED), 41_110_528),
    _BERT("bert_base_en_uncased", _size(12, 12, 768, _UNCASED), 108_891_648),
    _BERT("bert_base_en", _size(12, 12, 768, _CASED), 107_719_680),
    _BERT("bert_base_zh", _size(12, 12, 768, _CHINESE), 101_677_056),
    _BERT("bert_base_multi", _size(12, 12, 768, _MULTI), 177_262_848),
    _BERT("bert_large_en_uncased", _size(24, 16, 1024, _UNCASED), 334_092_288),
    _BERT("bert_large_en", _size(24, 16, 1024, _CASED), 332_529_664),
    _DISTIL_BERT("distil_bert_base_en_uncased", _size(6, 12, 768, _UNCASED), 66_362_880),
    _DISTIL_BERT("distil_bert_base_en", _size(6, 12, 768, _CASED), 65_190_912),
    _DISTIL_BERT("distil_bert_base_multi", _size(6, 12, 768, _MULTI), 134_734_080),
    _ROBERTA("roberta_base_en", _size(12, 12, 768, 50_265), 124_052_736),
    _ROBERTA("roberta_large_en", _size(24, 16, 1024, 50_265), 354_307_072),
    _XLM_ROBERTA("xlm_roberta_base_multi", _size(12, 12, 768, 250_002), 277_450_752),
    _XLM_ROBERTA("xlm_roberta_large_multi", _size(24, 16, 1024, 250_002), 558_837_760),
    _DEBERTA_V3("deberta_v3_extra_small_en", _size(12, 6, 384, 128_100), 70_682_112),
    _DEBERTA_V3("deberta_v3_small_en", _size(6, 12, 768, 128_100), 141_304_320),
    _DEBERTA_V3("deberta_v3_base_en", _size(12, 12, 768, 128_100), 183_831_552),
    _DEBERTA_V3("deberta_v3_large_en", _size(24, 16, 1024, 128_100), 434_012_160),
    _DEBERTA_V3("deberta_v3_base_multi", _size(12, 12, 768, 251_000), 278_218_752),
    _ALBERT("albert_base_en_uncased", _size(12, 12, 768, 30_000, embedding_dim=128), 11_092_992),
    _ALBERT("albert_large_en_uncased", _size(24, 16, 1024, 30_000, embedding_dim=128), 16_634_368),
    _ALBERT("albert_extra_large_en_uncased", _size(24, 16, 2048, 30_000, embedding_dim=128),
        54_528_512),
    _ELECTRA("electra_small_discriminator_uncased_en", _electra(12, 4, 256, 128), 13_483_008),
    _ELECTRA("electra_base_discriminator_uncased_en", _electra(12, 12, 768, 768), 108_891_648),
    _ELECTRA("electra_large_discriminator_uncased_en", _electra(24, 16, 1024, 1024), 334_092_288),
    _FNET("f_net_base_en", _f_net(12, 768), 82_270_464),
    _FNET("f_net_large_en", _f_net(24, 1024), 235_895_808),
    _T5("t5_small_multi", _t5(6, 8, 512), 35_330_816),
    _T5("t5_base_multi", _t5(12, 12, 768), 109_628_544),
)
# fmt: on
