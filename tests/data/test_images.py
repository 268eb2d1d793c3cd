from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import textwrap
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerastl.data import MAX_PIXELS, RESIZE_RULE, decode_full_size, decode_image
from kerastl.errors import ConfigurationError, DataError, ImageError
from kerastl.inputs.images import check_header, check_image_size
from tests.data.conftest import noise, save, truncate

SIZE = (12, 10)


def twin(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Antialiased bilinear resizing as two matrix products in float64."""

    def weights(n_in: int, n_out: int) -> np.ndarray:
        scale = n_in / n_out
        support = max(scale, 1.0)
        centres = (np.arange(n_out) + 0.5) * scale
        distance = np.abs(np.arange(n_in) + 0.5 - centres[:, None]) / support
        triangle = np.maximum(0.0, 1.0 - distance)
        return triangle / triangle.sum(axis=1, keepdims=True)

    rows, columns = weights(pixels.shape[0], size[0]), weights(pixels.shape[1], size[1])
    across = np.einsum("xw,hwc->hxc", columns, pixels.astype(np.float64), optimize=True)
    return np.einsum("yh,hxc->yxc", rows, across, optimize=True)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def bomb(path: Path, side: int = 20_000) -> Path:
    """A 1-bit PNG of ``side`` x ``side`` pixels in a few kilobytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    rows = zlib.compress(bytes((side // 8 + 1) * 64), 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )
    return path


@pytest.mark.parametrize("shape", [(40, 30), (7, 9), (200, 33), (1, 50), (64, 64)])
@pytest.mark.parametrize("size", [(16, 16), (31, 8), (64, 96)])
def test_agrees_with_a_naive_twin(shape, size):
    pixels = noise(1, shape)
    expected = twin(pixels, size)
    assert np.abs(decode_image(pixels, size) - expected).max() <= 1.01


def test_agrees_with_the_twin_on_photos(trashnet):
    for path in sorted(trashnet.rglob("*.jpg"))[::60]:
        expected = twin(decode_full_size(path), (160, 160))
        assert np.abs(decode_image(path, (160, 160)) - expected).max() <= 1.01


def test_every_kind_of_source_gives_the_same_pixels(tmp_path):
    path = save(tmp_path / "a.png", seed=3)
    expected = decode_image(noise(3), (8, 8))
    content = path.read_bytes()
    with Image.open(path) as image:
        sources = [path, str(path), content, bytearray(content), memoryview(content), image]
        for source in [*sources, noise(3).astype(np.float32)]:
            result = decode_image(source, (8, 8))
            np.testing.assert_array_equal(result, expected)
    assert result.dtype == np.uint8
    assert result.shape == (8, 8, 3)
    assert result.flags.writeable


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(orientation, kind):
    upright = Image.fromarray(np.repeat(np.repeat(noise(5, (3, 2)), 16, 0), 16, 1))
    inverse = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = upright.transpose(inverse[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}
    content = encoded(stored, kind, exif=exif, **options.get(kind, {}))
    result = decode_full_size(content)
    assert result.shape == (48, 32, 3)
    tolerance = 3 if kind == "JPEG" else 0
    assert np.abs(result.astype(int) - np.asarray(upright)).max() <= tolerance


def test_damaged_exif_leaves_the_pixels_as_they_are():
    content = encoded(Image.fromarray(noise(2)), "PNG", exif=b"Exif\x00\x00MM\x00*\x00\x00\xff")
    np.testing.assert_array_equal(decode_full_size(content), noise(2))


def test_greyscale_one_bit_and_one_pixel():
    grey = noise(1)[..., 0]
    expected = np.repeat(grey[..., None], 3, axis=-1)
    for source in (encoded(Image.fromarray(grey), "PNG"), grey, grey[..., None]):
        np.testing.assert_array_equal(decode_full_size(source), expected)
    bits = Image.fromarray((grey > 127).astype(np.uint8) * 255).convert("1")
    assert set(np.unique(decode_full_size(encoded(bits, "PNG")))) == {0, 255}
    dot = decode_image(np.full((1, 1, 3), 77, np.uint8), (5, 4))
    np.testing.assert_array_equal(dot, np.full((5, 4, 3), 77))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(kind):
    values = np.array([[0, 256, 257, 32896], [65535, 65407, 128, 129]], dtype=np.uint16)
    result = decode_full_size(encoded(Image.fromarray(values), kind))
    np.testing.assert_array_equal(result[..., 0], [[0, 1, 1, 128], [255, 255, 0, 1]])
    assert (result == result[..., :1]).all()


def test_thirty_two_bits():
    values = np.array([[0, 65535]], dtype=np.int32)
    assert decode_full_size(Image.fromarray(values)).max() == 255
    with pytest.raises(ImageError, match="from 0 to 70000; 16-bit greyscale goes"):
        decode_full_size(Image.fromarray(np.array([[0, 70000]], dtype=np.int32)))
    with pytest.raises(ImageError, match="floating-point pixels"):
        decode_full_size(Image.fromarray(np.ones((2, 2), np.float32)))


def test_alpha_is_laid_on_white():
    rgba = np.dstack([noise(1), noise(2)[..., 0]])
    alpha = rgba[..., 3:] / 255
    expected = rgba[..., :3] * alpha + 255 * (1 - alpha)
    for source in (rgba, encoded(Image.fromarray(rgba), "PNG")):
        assert np.abs(decode_full_size(source) - expected).max() <= 1
    la = Image.fromarray(rgba).convert("LA")
    assert (decode_full_size(Image.new("LA", (2, 2), (9, 0))) == 255).all()
    assert decode_full_size(encoded(la, "PNG")).shape == (12, 10, 3)


def test_palettes_with_and_without_transparency():
    colours = [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [0, 255, 0]]]
    palette = Image.new("P", (2, 2))
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    palette.putdata([0, 1, 2, 1])
    np.testing.assert_array_equal(decode_full_size(encoded(palette, "PNG")), colours)
    clear = np.array(colours)
    clear[clear[..., 1] == 255] = 255
    for option in (1, bytes([255, 0, 255])):
        content = encoded(palette, "PNG", transparency=option)
        np.testing.assert_array_equal(decode_full_size(content), clear)


def test_cmyk_jpeg():
    flat = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    result = decode_full_size(encoded(flat, "JPEG", quality=100))
    assert np.abs(result.astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_of_an_animation_counts(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    np.testing.assert_array_equal(
        decode_full_size(content), np.full((8, 8, 3), [255, 0, 0], np.uint8)
    )


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".gif", ".bmp", ".tif"])
def test_truncated_files(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(noise(1, (80, 80))).save(path)
    truncate(path, 0.6)
    with pytest.raises(ImageError, match=rf"a\{suffix} cannot be decoded: "):
        decode_image(path, SIZE)


def test_empty_files_text_and_unknown_formats(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"")
    with pytest.raises(ImageError, match=r"a\.jpg cannot be read as an image: it is empty"):
        decode_image(path, SIZE)
    path.write_text("not a picture")
    with pytest.raises(ImageError, match=r"a\.jpg is not an image in a format .*JPEG, PNG"):
        decode_image(path, SIZE)
    with pytest.raises(ImageError, match="image bytes cannot be read as an image: it is empty"):
        decode_image(b"", SIZE)
    # Pillow would hand such a file to another program.
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with pytest.raises(ImageError, match="is not an image in a format"):
        decode_image(path, SIZE)


def test_missing_files_folders_and_pipes(tmp_path):
    with pytest.raises(ImageError, match="No such file"):
        decode_image(tmp_path / "none.jpg", SIZE)
    with pytest.raises(ImageError, match="not a regular file"):
        decode_image(tmp_path, SIZE)
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match="not a regular file"):
        decode_image(tmp_path / "pipe.jpg", SIZE)
    with pytest.raises(ImageError, match="null"):
        decode_image("a\0b.jpg", SIZE)


def test_permission_denied(tmp_path):
    path = save(tmp_path / "a.png")
    path.chmod(0)
    script = textwrap.dedent(
        f"""
        import os, sys
        from kerastl.data import decode_image
        from kerastl.errors import ImageError
        import PIL.Image
        PIL.Image.init()
        os.chdir({str(tmp_path)!r})
        if os.getuid() == 0:
            os.setgid(65534); os.setuid(65534)
        try:
            decode_image("a.png", (4, 4))
        except ImageError as error:
            print(error)
        """
    )
    repository = Path(__file__).resolve().parents[2]
    tmp_path.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, cwd=repository, timeout=60, check=False,
    )  # fmt: skip
    assert "a.png cannot be read: Permission denied" in done.stdout, done.stderr


def test_decompression_bombs_are_refused_by_their_header(tmp_path):
    path = bomb(tmp_path / "bomb.png")
    start = time.perf_counter()
    for refused in (lambda: decode_image(path, SIZE), lambda: check_header(path)):
        with pytest.raises(ImageError, match=r"20,000 x 20,000 pixels, more than the 100,000,000"):
            refused()
    assert time.perf_counter() - start < 1
    # Between Pillow's warning and its refusal: warnings are errors here.
    with pytest.raises(ImageError, match="11,000 x 11,000"):
        decode_image(bomb(tmp_path / "b.png", 11_000), SIZE)
    check_header(bomb(tmp_path / "c.png", 9_900))
    assert 9_900**2 < MAX_PIXELS < 11_000**2
    with pytest.raises(ImageError, match="11,000 x 11,000"):
        decode_image(Image.new("1", (11_000, 11_000)), SIZE)


@pytest.mark.parametrize("name", ["ünï çødé.png", "写真 一.png", "with  spaces.png", "🐈.png"])
def test_names_of_any_script(tmp_path, name):
    assert decode_image(save(tmp_path / name), SIZE).shape == (12, 10, 3)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((4, 4, 3), 0.5), r"scaled to 0\.\.1.*0\.\.255 are wanted.*Multiply by 255"),
        (np.full((4, 4, 3), -1.0), "before any preprocessing"),
        (np.full((4, 4, 3), 256), "Received values from 256 to 256"),
        (np.full((4, 4, 3), np.nan), "NaN or infinite"),
        (np.full((4, 4, 3), True), "dtype bool"),
        (np.zeros((4, 4, 2), np.uint8), r"Received: \(4, 4, 2\)"),
        (np.zeros((3, 8, 8), np.uint8), r"Received: \(3, 8, 8\).*Channels come last"),
        (np.zeros((0, 4, 3), np.uint8), "has no pixels"),
        (np.array("a"), "must have the shape"),
    ],
)
def test_arrays_that_cannot_be_pixels(array, message):
    with pytest.raises(DataError, match=message):
        decode_image(array, SIZE)


def test_other_sources_are_refused():
    with pytest.raises(ImageError, match="Received: int"):
        decode_image(7, SIZE)


@pytest.mark.parametrize("size", [160, (160,), (0, 5), (1.5, 2), (True, 2), "ab", (10**5, 10**5)])
def test_image_sizes_that_cannot_be(size):
    with pytest.raises(ConfigurationError, match=r"must be \(height, width\)"):
        check_image_size(size)


def test_floats_are_rounded():
    result = decode_image(np.full((2, 2, 3), 99.6, np.float32), (2, 2))
    assert (result == 100).all()


def test_threads_give_what_one_gives(tmp_path):
    paths = [save(tmp_path / f"{i}.{s}", i) for i in range(8) for s in ("png", "jpg", "webp")]
    with Image.open(paths[0]) as shared:
        sources = [*paths, *[shared] * 8] * 4
        with ThreadPoolExecutor(8) as pool:
            many = list(pool.map(lambda source: decode_image(source, (16, 16)), sources))
        for source, result in zip(sources, many, strict=True):
            np.testing.assert_array_equal(result, decode_image(source, (16, 16)))


def test_the_rule_says_what_is_done():
    assert RESIZE_RULE["method"] == "bilinear"
    assert RESIZE_RULE["antialias"] is True
    assert RESIZE_RULE["aspect"] == "stretch"
