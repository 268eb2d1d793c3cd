"""Prints the least versions that pyproject.toml allows, as pins for pip.

python tests/lowest.py          without KerasHub, which asks for a newer Keras
python tests/lowest.py texts    with it
"""

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
wanted = [*project["dependencies"]]
CORE = ("tensorflow", "onnx", "litert", "openvino", "heic", "pandas", "parquet", "report", "mlflow")
for extra in (*CORE, *sys.argv[1:]):
    wanted += extras["text" if extra == "texts" else extra]
# What the tests compare with, and what runs a tokenizer and reads files of weights.
wanted += [x for x in extras["dev"] if x.startswith("statsmodels")]
wanted += [x for x in extras["text"] if x.startswith(("tokenizers", "safetensors"))]
least: dict[str, str] = {}
for item in wanted:
    name, version = re.fullmatch(r"([\w-]+)>=([\w.]+)", item).groups()
    least[name] = max(
        least.get(name, "0"), version, key=lambda v: [int(part) for part in v.split(".")]
    )
for name, version in sorted(least.items()):
    print(f"{name}=={version}")
