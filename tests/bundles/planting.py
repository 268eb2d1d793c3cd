"""Faults that are planted in artifacts, after their conversion or in a bundle that is done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerastl.bundles import exporter, jobs
from kerastl.bundles.hashing import sha256_manifest, sha256_path


def forge(folder: Path, keep: Sequence[str] | None = None, **changes) -> None:
    """Makes the hashes of a changed bundle right again.

    Args:
        folder: the bundle.
        keep: paths of the artifacts that stay in it; None keeps all.
        **changes: to the manifest, or to its section on the tokenizer.
    """
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text("utf-8"))
    for name, value in changes.items():
        (manifest if name in manifest else manifest["tokenizer"])[name] = value
    manifest["files"] = {name: sha256_path(folder / name) for name in manifest["files"]}
    if "tokenizer" in manifest:
        manifest["tokenizer"]["sha256"] = manifest["files"]["tokenizer.json"]
    if keep is not None:
        manifest["artifacts"] = [entry for entry in manifest["artifacts"] if entry["path"] in keep]
    for entry in manifest["artifacts"]:
        entry["sha256"] = sha256_path(folder / entry["path"])
    manifest["manifest_sha256"] = sha256_manifest(manifest)
    file.write_text(json.dumps(manifest), encoding="utf-8")


def spoil_after_conversion(monkeypatch, spoil) -> None:
    """Plants a fault in every export, after the conversion and before the artifacts are run."""

    def spoiled(job, folder, progress=None, **options):
        facts = jobs.run_worker(job, folder, progress, **options)
        spoil(Path(job["bundle"]))
        return facts

    monkeypatch.setattr(exporter, "run_worker", spoiled)


def permute_onnx(path: Path, output: str = "probabilities", order: Sequence[int] = (1, 0, 2)):
    """Puts the columns of an output of an ONNX file in another order."""
    import onnx

    model = onnx.load(path)
    for node in model.graph.node:
        node.input[:] = ["right" if name == output else name for name in node.input]
        node.output[:] = ["right" if name == output else name for name in node.output]
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(order), "order"))
    model.graph.node.append(onnx.helper.make_node("Gather", ["right", "order"], [output], axis=1))
    onnx.save(model, path)
