"""Prints the least versions that pyproject.toml allows, as pins for pip."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
wanted = [*project["dependencies"]]
for extra in ("tensorflow", "onnx", "litert"):
    wanted += project["optional-dependencies"][extra]
# Of the extra for texts only what runs a tokenizer: KerasHub is installed for the matrix.
wanted += [item for item in project["optional-dependencies"]["text"] if "tokenizers" in item]
for name, version in sorted(
    {re.fullmatch(r"([\w-]+)>=([\w.]+)", item).groups() for item in wanted}
):
    print(f"{name}=={version}")
