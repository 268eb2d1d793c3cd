"""Simple features of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerastl.optional import require

# Words and pairs of words that are counted: those that most texts hold.
_MOST = 20_000
# A class of texts may be told by a single word, and texts may hold no word at all.
_WORD = r"(?u)\b\w+\b"


def tfidf(
    texts: Sequence[str], state: Mapping[str, Any] | None = None
) -> tuple[Any, dict[str, Any]]:
    """TF-IDF of words and pairs of words: a sparse matrix ``(n, d)``, and what was learned.

    The state holds ``words``, the columns in order, and ``idf``, their weights; None learns it.
    """
    module = require(
        "sklearn.feature_extraction.text", extra="report", purpose="A baseline of texts"
    )
    options = {"ngram_range": (1, 2), "token_pattern": _WORD, "dtype": np.float32}
    if state is None:
        counter = module.TfidfVectorizer(max_features=_MOST, **options)
        if not any(word for text in texts for word in counter.build_analyzer()(text)):
            counter = module.TfidfVectorizer(vocabulary=[""], **options)
        matrix = counter.fit_transform(texts)
        return matrix, {
            "words": counter.get_feature_names_out().tolist(),
            "idf": [round(float(value), 6) for value in counter.idf_],
        }
    counter = module.TfidfVectorizer(vocabulary=state["words"], **options)
    counter.idf_ = np.array(state["idf"])
    return counter.transform(texts), dict(state)
