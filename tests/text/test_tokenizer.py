import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerastl.errors import ConfigurationError, DataError, TextError, TokenizerError
from kerastl.text import Tokenizer, check_equal
from tests.text.test_wordpiece import WORDS


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_vocabulary(WORDS, lowercase=True, max_length=16)


def test_truncation_keeps_the_ends_and_is_counted(tokenizer):
    encoded = tokenizer.encode(["good " * 9, "bad", "good good"], 4)
    assert [row.tolist() for row in encoded.ids] == [[2, 5, 5, 3], [2, 6, 3], [2, 5, 5, 3]]
    assert encoded.truncated == 1
    assert [len(ids) for ids in encoded.ids] == [4, 3, 4]
    assert all(row.dtype == np.int32 for row in encoded.ids)


def test_padding(tokenizer):
    rows = tokenizer.encode(["good bad", ""], 8).ids
    ids, mask = tokenizer.pad(rows)
    assert ids.tolist() == [[2, 5, 6, 3], [2, 3, 0, 0]]
    assert mask.tolist() == [[True] * 4, [True, True, False, False]]
    assert (ids.dtype, mask.dtype) == (np.int32, np.bool_)
    assert tokenizer.pad(rows, 6)[0].shape == (2, 6)
    assert tokenizer.pad([], 6)[0].shape == (0, 6)
    with pytest.raises(DataError, match="4 tokens and the length is 3"):
        tokenizer.pad(rows, 3)


def test_many_texts_keep_their_order(tokenizer):
    texts = [" ".join(["good"] * (i % 7)) for i in range(3000)]
    encoded = tokenizer.encode(texts, 16)
    assert [len(ids) for ids in encoded.ids] == [2 + i % 7 for i in range(3000)]
    assert tokenizer.encode([], 16).ids == ()


def test_files_round_trip(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "tokenizer.json")
    again = Tokenizer.from_file(tmp_path / "tokenizer.json")
    assert again.sha256 == tokenizer.sha256
    assert (again.pad_id, again.start_ids, again.end_ids) == (0, (2,), (3,))
    texts = ["Goodness! …", "日 é"]
    for one, two in zip(tokenizer.encode(texts, 9).ids, again.encode(texts, 9).ids, strict=True):
        np.testing.assert_array_equal(one, two)
    again.save(tmp_path / "two.json")
    assert (tmp_path / "two.json").read_bytes() == (tmp_path / "tokenizer.json").read_bytes()


def test_settings_of_files_to_cut_and_pad_are_left_out(tokenizer, tmp_path):
    import tokenizers

    raw = tokenizers.Tokenizer.from_str(json.dumps(tokenizer._settings))
    raw.enable_truncation(3)
    raw.enable_padding(length=9)
    raw.save(str(tmp_path / "t.json"))
    again = Tokenizer.from_file(tmp_path / "t.json")
    assert again.encode(["good bad good"], 9).ids[0].tolist() == [2, 5, 6, 5, 3]
    assert again.sha256 == tokenizer.sha256


def test_settings_are_json(tokenizer):
    settings = tokenizer.settings
    assert json.loads(json.dumps(settings)) == settings
    assert settings["max_length"] == 16
    assert settings["kind"] == "word_piece"
    assert settings["lowercase"] is True
    assert tokenizer.with_max_length(8).settings == {**settings, "max_length": 8}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["fine", "\ud800"], "Text 1 cannot be written as UTF-8"),
        (["fine", None], "Text 1 is not a text: received None"),
        ("text", "a list of strings"),
    ],
)
def test_what_is_no_text(tokenizer, texts, message):
    with pytest.raises(TextError, match=message):
        tokenizer.encode(texts, 8)


@pytest.mark.parametrize("length", [2, 0, -1, 1.5, True])
def test_lengths_that_cannot_be(tokenizer, length):
    with pytest.raises(ConfigurationError, match="max_length"):
        tokenizer.encode(["good"], length)


def test_files_that_are_none(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Tokenizer.from_file(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(ConfigurationError, match=r"not a tokenizer.json of the tokenizers package"):
        Tokenizer.from_file(tmp_path / "bad.json")


def test_a_file_without_padding(tmp_path):
    import tokenizers

    path = tmp_path / "t.json"
    tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "b": 1}, "a")).save(str(path))
    with pytest.raises(ConfigurationError, match="which id does, with pad_id="):
        Tokenizer.from_file(path)
    assert Tokenizer.from_file(path, pad_id=1).start_ids == ()


def test_differences_are_shown(tokenizer):
    def other(texts):
        return [[5, 6] if "bad" in text else [5] for text in texts]

    assert check_equal(tokenizer, other, ["good", "good bad"]).texts == 2
    with pytest.raises(
        TokenizerError, match=r"differ on text 2, from token 1 on: 'good good'.*\[5, 5\].*\[5\]"
    ):
        check_equal(tokenizer, other, ["good", "good bad", "good good"])


def test_another_case_is_found(tokenizer, hub):
    cased = hub.models.BertTokenizer(WORDS, lowercase=False)
    with pytest.raises(TokenizerError, match=r"text 1, from token 0 on: 'Good'"):
        check_equal(tokenizer, cased, ["good", "Good"])


def test_no_tensorflow_where_texts_are_encoded(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "tokenizer.json")
    program = f"""
import sys
for name in ("tensorflow", "tensorflow_text", "keras", "keras_hub"):
    sys.modules[name] = None
from kerastl.text import Tokenizer
tokenizer = Tokenizer.from_file({str(tmp_path / "tokenizer.json")!r})
print(tokenizer.encode(["good!"], 8).ids[0].tolist())
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert done.stdout.strip() == "[2, 5, 9, 3]"
    assert done.stderr == ""


def patterns(value):
    """Every regular expression in a tokenizer file."""
    if isinstance(value, dict):
        found = [value["Regex"]] if isinstance(value.get("Regex"), str) else []
        return found + [p for item in value.values() for p in patterns(item)]
    if isinstance(value, list):
        return [p for item in value for p in patterns(item)]
    return []


def test_patterns_are_of_javascript_too(tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    tokenizer = Tokenizer.from_vocabulary(WORDS, lowercase=True, strip_accents=True)
    found = patterns(tokenizer._settings)
    assert len(found) >= 4
    (tmp_path / "p.json").write_text(json.dumps(found))
    program = f"""
const found = JSON.parse(require("fs").readFileSync({str(tmp_path / "p.json")!r}, "utf8"));
const made = found.map(p => new RegExp(p, "gu"));
console.log(JSON.stringify("a.b!!…c 日".replace(made[2], "|")));
"""
    done = subprocess.run([node, "-e", program], capture_output=True, text=True, check=True)
    import tokenizers

    step = tokenizers.normalizers.Replace(tokenizers.Regex(found[2]), "|")
    assert json.loads(done.stdout) == step.normalize_str("a.b!!…c 日") == "a|.|b|!|!|…|c |日"
