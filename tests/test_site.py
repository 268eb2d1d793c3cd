"""What looks for requests to elsewhere in the built pages finds them (see tests/site.py)."""

import pytest

from tests.site import fetched_from_elsewhere


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.html", '<script src="https://cdn.example/x.js"></script>'),
        ("a.html", "<img src=//cdn.example/x.png>"),
        ("a.html", '<link rel="stylesheet" href="https://fonts.example/css">'),
        ("a.html", '<link rel="preconnect" href="https://fonts.example">'),
        ("a.html", "<style>@import 'https://fonts.example/css'</style>"),
        ("a.html", '<p style="background: url(http://x.example/y.png)">'),
        ("deep/a.css", "@font-face { src: url(https://fonts.example/f.woff2) }"),
    ],
)
def test_what_is_fetched_from_elsewhere_is_found(tmp_path, name, content):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    assert list(fetched_from_elsewhere(tmp_path)) == [name]


def test_links_and_files_of_the_site_are_no_matter(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="https://keras.io">Keras</a><script src="assets/x.js"></script>'
        '<link rel="canonical" href="https://docs.example/"><img src="data:image/png;base64,AA">'
    )
    (tmp_path / "a.css").write_text("a { background: url(../x.png) }")
    assert fetched_from_elsewhere(tmp_path) == {}
