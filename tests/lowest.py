"""Prints the least versions that pyproject.toml allows, as pins for pip."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
wanted = [*project["dependencies"]]
for extra in ("tensorflow", "onnx", "litert", "hub", "text", "openvino", "parquet"):
    wanted += extras[extra]
# What the tests compare with.
wanted += [item for item in extras["dev"] if item.startswith("scikit-learn")]
for name, version in sorted(
    {re.fullmatch(r"([\w-]+)>=([\w.]+)", item).groups() for item in wanted}
):
    print(f"{name}=={version}")
