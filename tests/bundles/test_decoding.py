"""Decoding and resizing in the graph against Pillow, byte for byte."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from kerastl.data import decode_full_size, decode_image
from kerastl.errors import ImageError

GENERATOR = np.random.default_rng(0)


@pytest.fixture(scope="module")
def decoding():
    from kerastl.formats.pairs import decoding

    return decoding


@pytest.fixture(scope="module")
def decode(decoding):
    import tensorflow as tf

    function = tf.function(decoding.decode, input_signature=[tf.TensorSpec((), tf.string)])
    return lambda data: function(tf.constant(data)).numpy()


def noise(height, width, channels=3, dtype=np.uint8):
    top = np.iinfo(dtype).max + 1
    return GENERATOR.integers(0, top, (height, width, channels), dtype=dtype)


def encoded(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def pillow(data):
    return decode_full_size(data)


SIZES_IN = (1, 2, 3, 5, 17, 64, 96, 131, 333, 500)
SIZES_OUT = ((1, 7), (64, 64), (96, 33), (40, 224))


def test_resize_equals_pillow_over_many_sizes(decoding):
    import tensorflow as tf

    for height, width in itertools.product(SIZES_IN, SIZES_IN):
        pixels = noise(height, width)
        for rows, columns in SIZES_OUT:
            expected = Image.fromarray(pixels).resize((columns, rows), Image.Resampling.BILINEAR)
            got = decoding.resize(tf.constant(pixels), rows, columns).numpy()
            assert np.array_equal(got, np.asarray(expected)), (height, width, rows, columns)


def test_resize_equals_pillow_where_the_order_of_passes_changes(decoding):
    import tensorflow as tf

    generator = np.random.default_rng(5)
    for _ in range(150):
        width = int(generator.integers(20, 90))
        columns = int(generator.integers(8, width + 8))
        rows = int(generator.integers(8, 60))
        # Around rows removed = 2 x columns removed, where Pillow changes its order.
        height = max(rows + 2 * (width - columns) + int(generator.integers(-2, 3)), 1)
        pixels = noise(height, width)
        expected = Image.fromarray(pixels).resize((columns, rows), Image.Resampling.BILINEAR)
        got = decoding.resize(tf.constant(pixels), rows, columns).numpy()
        assert np.array_equal(got, np.asarray(expected)), (height, width, rows, columns)


def test_resize_of_flat_and_extreme_pixels(decoding):
    import tensorflow as tf

    for value in (0, 1, 254, 255):
        flat = np.full((123, 77, 3), value, np.uint8)
        assert (decoding.resize(tf.constant(flat), 50, 61).numpy() == value).all()


def test_jpegs_decode_as_pillow_does(decode):
    base = Image.fromarray(noise(37, 53)).resize((106, 75))
    variants = [
        *(encoded(base, "JPEG", quality=quality) for quality in (30, 75, 95)),
        *(encoded(base, "JPEG", subsampling=kind) for kind in (0, 1, 2)),
        encoded(base, "JPEG", progressive=True),
        encoded(base.convert("L"), "JPEG"),
        encoded(base.convert("CMYK"), "JPEG"),
    ]
    for data in variants:
        assert np.array_equal(decode(data), pillow(data))


def test_pngs_decode_as_pillow_does(decode):
    import tensorflow as tf

    base = Image.fromarray(noise(37, 53))
    shades, alphas = np.meshgrid(np.arange(256), np.arange(256))
    every_blend = Image.fromarray(np.stack([shades] * 3 + [alphas], -1).astype(np.uint8))
    variants = [
        encoded(every_blend, "PNG"),
        *(encoded(base.convert(mode), "PNG") for mode in ("L", "1", "P", "LA", "RGB")),
        encoded(base.quantize(4), "PNG", bits=2),
        encoded(base.convert("P"), "PNG", transparency=bytes(range(256))),
        encoded(Image.fromarray(noise(40, 50, 1, np.uint16)[..., 0]), "PNG"),
        *(tf.io.encode_png(noise(40, 50, channels, np.uint16)).numpy() for channels in (2, 3, 4)),
    ]
    for data in variants:
        assert np.array_equal(decode(data), pillow(data)), Image.open(io.BytesIO(data))


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("orientation", range(10))
def test_exif_orientation_is_applied(decode, format, endian, orientation):
    exif = Image.Exif()
    exif.endian = endian
    exif[0x010F] = "a maker"
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(noise(24, 40)), format, exif=exif)
    assert np.array_equal(decode(data), pillow(data))


def test_exif_behind_other_segments_and_damaged_exif(decode):
    exif = Image.Exif()
    exif[0x0112] = 8
    base = Image.fromarray(noise(24, 40))
    far = encoded(base, "JPEG", exif=exif, icc_profile=b"p" * 70_000)
    assert np.array_equal(decode(far), pillow(far))
    plain = encoded(base, "JPEG")
    upright = decode(plain)
    for body in (b"", b"II", b"MM\0*\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff"):
        segment = b"Exif\0\0" + body
        header = b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big")
        assert np.array_equal(decode(plain[:2] + header + segment + plain[2:]), upright)


def test_decode_image_refuses_what_is_no_image(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no image")
    for source in (tmp_path / "a.jpg", tmp_path / "missing.jpg", b""):
        with pytest.raises(ImageError, match="not an image|cannot be|is empty|pixel"):
            decode_image(source, (8, 8))
