"""Flows ask neither inputs, outputs nor tasks what they are.

What is particular to one of them stands in its own file, or in the one table of pairs
(kerastl/formats/pairs). A flow that compares a name with the name of a modality, a kind or a task
is a second flow beside the first.
"""

from __future__ import annotations

import ast
from pathlib import Path

import kerastl

PACKAGE = Path(kerastl.__file__).parent
FLOWS = (
    *("bundles", "training", "model", "cli", "data", "formats"),
    *("evaluation", "reporting"),
)
OWN_FILES = {"formats/pairs"}
NAMES = {
    "image", "images", "text", "texts", "audio", "single_label", "multi_label", "regression",
    "embedding", "image_classification", "text_classification", "text_embedding",
    "image_embedding", "classes", "labels", "number", "vector",
}  # fmt: skip
ASKED = {"kind", "task", "modality", "label_kind", "input_kind"}
MEMBERS = {"Image", "Text", "Classes", "Labels", "Number", "Vector"}


def names_in(node: ast.AST) -> bool:
    """Whether an expression says the name of a member, or asks for one."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and node.value in NAMES
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(names_in(item) for item in node.elts)
    if isinstance(node, ast.Attribute):
        return node.attr in ASKED
    return isinstance(node, ast.Name) and node.id in ASKED


def is_question(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        sides = (node.left, *node.comparators)
        # Whether a name is known at all is asked of registries.
        return any(names_in(side) for side in sides) and not all(
            isinstance(op, ast.Is | ast.IsNot) for op in node.ops
        )
    if isinstance(node, ast.Dict):
        # A table of several members; one key alone is a field that happens to have their name.
        return sum(key is not None and names_in(key) for key in node.keys) > 1
    if isinstance(node, ast.match_case):
        return any(isinstance(n, ast.Constant) and n.value in NAMES for n in ast.walk(node.pattern))
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
        found = {getattr(n, "id", getattr(n, "attr", "")) for n in ast.walk(node.args[1])}
        return bool(found & MEMBERS)
    return False


def test_flows_ask_no_member_what_it_is():
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for folder in FLOWS
        for path in sorted((PACKAGE / folder).rglob("*.py"))
        if not any(str(path.relative_to(PACKAGE)).startswith(own) for own in OWN_FILES)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if is_question(node) and hasattr(node, "lineno")
    ]
    assert found == []


def test_no_file_of_a_flow_is_named_for_a_modality():
    names = [
        str(path.relative_to(PACKAGE))
        for folder in FLOWS
        for path in (PACKAGE / folder).rglob("*.py")
        if path.name.startswith(("text_", "image_", "audio_"))
    ]
    assert names == []
