import io

import numpy as np
import pytest
from PIL import Image

from kerastl.data import decode_image
from kerastl.errors import ConfigurationError, DataError, ImageError
from kerastl.model import TrainedModel
from kerastl.outputs import Classes
from kerastl.task import Task
from tests.conftest import CLASSES, coloured_images


@pytest.fixture(scope="module")
def model(trained):
    return trained[0]


@pytest.fixture(scope="module")
def photo(colour_folder):
    return sorted((colour_folder / "val" / "red").iterdir())[0]


class TestPredict:
    def test_every_kind_of_one_image_gets_the_same_answer(self, model, photo):
        image = Image.open(photo)
        array = np.asarray(image)
        encoded = photo.read_bytes()
        kinds = [
            photo,
            str(photo),
            [photo],
            (photo,),
            iter([photo]),
            image,
            encoded,
            bytearray(encoded),
            memoryview(encoded),
            array,
            [array],
            array[None],
            array.astype(np.float32),
        ]
        answers = [model.predict(kind) for kind in kinds]
        for answer in answers:
            assert answer.labels == answers[0].labels
            assert len(answer) == 1
            np.testing.assert_array_equal(answer.probabilities, answers[0].probabilities)

    def test_a_file_and_its_decoded_pixels_get_the_same_answer(self, model, photo):
        decoded = decode_image(photo, model.task.input.size)
        np.testing.assert_array_equal(
            model.predict(photo).probabilities, model.predict(decoded).probabilities
        )
        np.testing.assert_allclose(
            np.asarray(model.network(decoded[None].astype(np.float32))),
            model.predict(photo).probabilities,
            atol=1e-5,
        )

    @pytest.mark.parametrize("count", [1, 31, 32, 33, 70])
    def test_many(self, model, count):
        images, _ = coloured_images(count, seed=5)
        answer = model.predict(images)
        assert answer.class_names == CLASSES
        assert answer.probabilities.shape == (count, 3)
        assert answer.probabilities.dtype == np.float32
        np.testing.assert_allclose(answer.probabilities.sum(axis=1), 1, rtol=1e-5)
        expected = [CLASSES[index] for index in answer.probabilities.argmax(axis=1)]
        assert list(answer.labels) == expected
        np.testing.assert_array_equal(answer.confidences, answer.probabilities.max(axis=1))
        np.testing.assert_array_equal(
            model.predict(images[-1]).probabilities[0], answer.probabilities[-1]
        )

    @pytest.mark.parametrize("nothing", [[], (), np.zeros((0, 8, 8, 3), np.uint8)])
    def test_nothing(self, model, nothing):
        answer = model.predict(nothing)
        assert answer.labels == ()
        assert answer.probabilities.shape == (0, 3)
        assert answer.confidences.shape == (0,)

    @pytest.mark.parametrize("inputs", [None, 5, {"a": 1}, np.zeros((1, 2, 3, 4, 3)), np.zeros(3)])
    def test_what_is_no_image(self, model, inputs):
        with pytest.raises(ConfigurationError, match="give a path|give \\(height, width, 3\\)"):
            model.predict(inputs)

    def test_files_that_cannot_be_read_are_named(self, model, photo, tmp_path):
        (tmp_path / "text.jpg").write_text("no image")
        for path in (tmp_path / "text.jpg", tmp_path / "missing.jpg", tmp_path):
            with pytest.raises(ImageError, match=path.name):
                model.predict([photo, path])
        with pytest.raises(ImageError):
            model.predict(b"")

    def test_greyscale_and_transparency(self, model):
        for mode in ("L", "LA", "RGBA", "P", "CMYK", "1", "I;16"):
            assert len(model.predict(Image.new(mode, (9, 7)))) == 1

    def test_jpeg_bytes_with_orientation(self, model):
        pixels = np.zeros((20, 40, 3), np.uint8)
        pixels[:, :20] = 255
        upright, turned = io.BytesIO(), io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(np.rot90(pixels, -1)).save(upright, "PNG")
        Image.fromarray(pixels).save(turned, "PNG", exif=exif)
        np.testing.assert_array_equal(
            model.predict(upright.getvalue()).probabilities,
            model.predict(turned.getvalue()).probabilities,
        )


class TestEvaluate:
    def test_folder_and_arrays_agree(self, model, colour_folder):
        folder = model.evaluate(colour_folder, split="validation")
        assert folder == model.evaluate(colour_folder / "val")
        x, y = [], []
        for label, name in enumerate(CLASSES):
            for path in sorted((colour_folder / "val" / name).iterdir()):
                x.append(np.asarray(Image.open(path)))
                y.append(label)
        assert model.evaluate((np.stack(x), np.array(y))) == pytest.approx(folder)
        assert folder["examples"] == 18
        assert folder["accuracy"] == pytest.approx(model.metrics["accuracy"])
        assert folder["loss"] == pytest.approx(model.metrics["loss"], rel=1e-5)

    def test_a_divided_folder_needs_its_part_named(self, model, colour_folder):
        with pytest.raises(DataError, match="Name the part"):
            model.evaluate(colour_folder)

    def test_other_classes(self, model, tmp_path):
        for name in ("blue", "green", "yellow"):
            (tmp_path / name).mkdir()
            Image.new("RGB", (9, 9)).save(tmp_path / name / "a.png")
        with pytest.raises(DataError, match="yellow"):
            model.evaluate(tmp_path)
        images, labels = coloured_images(4)
        with pytest.raises(DataError, match="from 0 to 2"):
            model.evaluate((images, labels + 5))
        other = TrainedModel(
            model.network, Task.of_one(model.task.input, Classes(("red", "green", "blue")))
        )
        from kerastl.data import load

        with pytest.raises(DataError, match="classes"):
            other.evaluate(load((images[:3], labels[:3]), class_names=CLASSES))

    def test_unreadable_images_fail_where_asked(self, model, colour_folder, tmp_path):
        import shutil

        shutil.copytree(colour_folder / "val", tmp_path / "val")
        (tmp_path / "val" / "red" / "broken.png").write_bytes(b"no image")
        with pytest.raises(ImageError, match="broken"):
            model.evaluate(tmp_path / "val", on_error="raise")
        with pytest.warns(UserWarning, match="1 unreadable image skipped.*broken"):
            assert model.evaluate(tmp_path / "val")["examples"] == 18
