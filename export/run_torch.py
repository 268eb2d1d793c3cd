"""Answers images or texts with the torch.export program of a kerastl bundle.

Reading a .pt2 file can run code that is in it: use files of makers you trust.

pip install torch numpy pillow (images) tokenizers (texts)
python run_torch.py BUNDLE photo.jpg [more.png ...] [--json]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bundle_io import Run, main


def open_artifact(bundle: Path, manifest: dict, read: Any, quantization: str | None) -> Run:
    """Loads the program."""
    import torch

    module = torch.export.load(bundle / "model.pt2").module()

    def run(feeds: dict) -> dict:
        with torch.no_grad():
            found = module(**{name: torch.tensor(value) for name, value in feeds.items()})
        return {name: value.numpy() for name, value in found.items()}

    return run


if __name__ == "__main__":
    main(__doc__ or "", open_artifact)
