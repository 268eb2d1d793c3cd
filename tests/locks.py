"""Checks that every lock can be installed, from wheels, wherever kerastl says that it runs.

Nothing is downloaded but metadata. Needs uv beside this Python.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

# Of these systems and newer ones: OpenVINO's wheels for arm64 need glibc 2.35 (Ubuntu 22.04), ONNX
# Runtime's for macOS need version 14.
PLATFORMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_35", "aarch64-apple-darwin")
MACOS = "14.0"
PYTHONS = ("3.11", "3.12", "3.13")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
LOCKS = ("quickstart", "quickstart-text", "dev", "docs")


def main() -> int:
    failed = 0
    for lock in LOCKS:
        for platform in PLATFORMS:
            for python in PYTHONS:
                error = _refused(lock, platform, python)
                print(f"{lock:16} {platform:22} {python:5} {error or 'installs'}")
                failed += bool(error)
        error = _refused_by_pip(lock)
        print(f"{lock:16} {'pip, here':22} {PYTHON:5} {error or 'installs'}")
        failed += bool(error)
    return 1 if failed else 0


def _refused(lock: str, platform: str, python: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [
                *(Path(sys.executable).with_name("uv"), "pip", "install", "--dry-run"),
                *("--no-build", "--no-deps", "--require-hashes", "--target", folder),
                *("--python-platform", platform, "--python-version", python),
                *("--requirement", f"requirements/{lock}.txt"),
            ],
            env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": MACOS},
            capture_output=True,
            text=True,
            check=False,
        )
    return "" if done.returncode == 0 else done.stderr.strip()


def _refused_by_pip(lock: str) -> str:
    """pip alone heeds the upper bounds on Python that packages state."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"),
            *("--only-binary", ":all:", "--no-deps", "--require-hashes"),
            *("--requirement", f"requirements/{lock}.txt"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stderr.strip()


if __name__ == "__main__":
    sys.exit(main())
