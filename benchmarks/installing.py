"""How long the locks take to install, download apart, by pip and by uv.

    python benchmarks/installing.py [quickstart] [quickstart-text] [dev]

Needs uv on the path or beside this Python. Every installation is into an empty environment; "cold"
has an empty cache and downloads, "warm" finds every wheel in the cache of the run before.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(*command, **environment):
    started = time.perf_counter()
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, **environment})
    return time.perf_counter() - started


def size(folder):
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()) / 1e6


def installers(folder, uv):
    venv, cache = str(folder / "venv"), str(folder / "cache")
    python = f"{venv}/bin/python"
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    pip = (*pip, "--cache-dir", cache)
    yield "pip", venv, cache, pip
    yield "pip --no-compile", venv, cache, (*pip, "--no-compile")
    if uv:
        yield "uv", venv, cache, (uv, "pip", "install", "--quiet", "--python", python,
                                  "--cache-dir", cache)  # fmt: skip


def main(locks):
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    print(f"{'lock':16} {'installer':18} {'cold':>7} {'warm':>7} {'installed':>10}")
    for lock in locks:
        wanted = ("--no-deps", "--require-hashes", "-r", f"requirements/{lock}.txt")
        with tempfile.TemporaryDirectory() as folder:
            for name, venv, cache, command in installers(Path(folder), uv):
                seconds = []
                for _ in ("cold", "warm"):
                    shutil.rmtree(venv, ignore_errors=True)
                    run(sys.executable, "-m", "venv", venv)
                    seconds.append(run(*command, *wanted))
                print(
                    f"{lock:16} {name:18} {seconds[0]:5.1f} s {seconds[1]:5.1f} s "
                    f"{size(venv):7.0f} MB",
                    flush=True,
                )
                shutil.rmtree(cache, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:] or ["quickstart", "quickstart-text", "dev"])
