"""A folder of photos as people have them: every format, some of them damaged, some of them huge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, features

PHOTOS = {
    "cat": 12, "dog": 12,
}  # fmt: skip
"""Ordinary photos in each class folder; every one is another image."""
# Pillow writes it from version 11.3 on.
AVIF = ("web.avif",) if "avif" in features.modules and features.check("avif") else ()
ODD = (
    "upper.JPG", "mixed.JpEg", "phone.heic", "phone.HEIF", *AVIF, "print.jpg", "deep.png",
    "turned.jpg", "corrupt.jpg", "truncated.jpg", "empty.png", "huge.jpg", "deeper/1.png",
    "deeper/2.png", "copy.png", "dot.png", "moving.gif", "glass.png", "page.webp", "scan.tif",
    "notes.txt", "film.mov", "raw.CR2", "Thumbs.db", "without_suffix",
)  # fmt: skip
"""Odd files, each in both class folders."""
UNREADABLE = ("corrupt.jpg", "empty.png", "truncated.jpg")
NO_IMAGES = {".txt": 2, ".mov": 2, ".cr2": 2, ".db": 2, "without suffix": 2}


def noise(seed: int, height: int = 24, width: int = 20) -> Image.Image:
    """A noisy image whose mean colour depends on the seed's class."""
    pixels = np.random.default_rng(seed).integers(0, 90, (height, width, 3))
    pixels[..., seed % 2] += 150
    return Image.fromarray(pixels.astype(np.uint8))


def make(root: Path) -> list[Path]:
    """Writes the folder; returns all of its files."""
    import pillow_heif

    for label, (name, count) in enumerate(PHOTOS.items()):
        folder = root / name
        (folder / "deeper").mkdir(parents=True)
        seeds = iter(range(label, 10_000, 2))
        for index in range(count):
            noise(next(seeds)).save(folder / f"{index:02d}.png")
        for odd in ("upper.JPG", "mixed.JpEg", "deeper/1.png", "deeper/2.png", *AVIF):
            noise(next(seeds)).save(folder / odd)
        for odd in ("phone.heic", "phone.HEIF"):
            pillow_heif.from_pillow(noise(next(seeds))).save(folder / odd)
        noise(next(seeds)).convert("CMYK").save(folder / "print.jpg")
        deep = np.random.default_rng(next(seeds)).integers(0, 65536, (24, 20), dtype=np.uint16)
        Image.fromarray(deep).save(folder / "deep.png")
        exif = Image.Exif()
        exif[0x0112] = 6
        noise(next(seeds)).save(folder / "turned.jpg", exif=exif)
        (folder / "corrupt.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(range(256)))
        noise(next(seeds), 200, 200).save(folder / "truncated.jpg")
        whole = (folder / "truncated.jpg").read_bytes()
        (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 3])
        (folder / "empty.png").touch()
        Image.new("RGB", (6000, 6000), (10, 200 - label, 30)).save(folder / "huge.jpg")
        (folder / "copy.png").write_bytes((folder / "00.png").read_bytes())
        Image.new("RGB", (1, 1), (label, 1, 2)).save(folder / "dot.png")
        frames = [noise(next(seeds)) for _ in range(3)]
        frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
        glass = noise(next(seeds)).quantize(16)
        glass.save(folder / "glass.png", transparency=3)
        noise(next(seeds)).save(folder / "page.webp")
        noise(next(seeds)).save(folder / "scan.tif")
        for odd in ("notes.txt", "film.mov", "raw.CR2", "Thumbs.db", "without_suffix"):
            (folder / odd).write_text(f"no image {label}")
    return sorted(path for path in root.rglob("*") if path.is_file())
