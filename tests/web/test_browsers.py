"""Browsers by their names."""

import pytest

from backfilld.web.words.browsers import browser_of

MOZILLA = "Mozilla/5.0"
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (f"{MOZILLA} (X11; Linux x86_64) {WEBKIT} Chrome/143.0.0.0 Safari/537.36", "Chrome 143 on Linux"),
        (f"{MOZILLA} (Windows NT 10.0) {WEBKIT} Chrome/143.0 Safari/537.36 Edg/143.1", "Edge 143 on Windows"),
        (f"{MOZILLA} (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox 145 on Linux"),
        (
            f"{MOZILLA} (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1",
            "Safari 18 on iPhone",
        ),
        (f"{MOZILLA} (Linux; Android 15) {WEBKIT} Chrome/143.0 Mobile Safari/537.36", "Chrome 143 on Android"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", "unknown"),
        ("<" * 500, "<" * 60),
    ],
)
def test_a_browser_has_a_name_for_people(told: str, said: str) -> None:
    assert said == browser_of(told)
