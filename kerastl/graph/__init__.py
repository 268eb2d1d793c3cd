"""The graph of a model: where it can be cut, its stages, what is frozen."""

from kerastl.graph.cuts import Cut, find_cuts, inline, nodes_of, operations, split
from kerastl.graph.fingerprint import prefix_sha256
from kerastl.graph.freezing import apply_boundary, forget_traces, momenta_of, settle_momentum
from kerastl.graph.inputs import with_input
from kerastl.graph.opening import can_open, open_model
from kerastl.graph.stages import (
    ALL,
    HEAD,
    POOLING_LAYER,
    SCORES_LAYER,
    Stage,
    find_stages,
    head_cut,
    resolve_boundary,
)

__all__ = [
    "ALL",
    "HEAD",
    "POOLING_LAYER",
    "SCORES_LAYER",
    "Cut",
    "Stage",
    "apply_boundary",
    "can_open",
    "find_cuts",
    "find_stages",
    "forget_traces",
    "head_cut",
    "inline",
    "momenta_of",
    "nodes_of",
    "open_model",
    "operations",
    "prefix_sha256",
    "resolve_boundary",
    "settle_momentum",
    "split",
    "with_input",
]
