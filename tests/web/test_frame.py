"""What all pages have in common: headers, files, errors."""

import base64
import gzip
import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.web.conftest import Site

import backfilld.web
from backfilld.operations.backfill_verbs import BackfillOperations

STATIC = Path(backfilld.web.__file__).parent / "static"
VENDOR = STATIC / "vendor"
ASSET = re.compile(r'(?:href|src)="(/assets/[^"]+)"')


async def test_a_page_allows_nothing_but_what_is_ours(site: Site) -> None:
    answer = await (await site.sign_in("viewer")).get("/")
    policy = dict(one.strip().partition(" ")[::2] for one in answer.headers["Content-Security-Policy"].split(";"))

    assert {
        "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self'",
        "connect-src": "'self'", "form-action": "'self'", "base-uri": "'none'", "frame-ancestors": "'none'",
    } == policy  # fmt: skip
    assert "same-origin" == answer.headers["Cross-Origin-Opener-Policy"]
    assert "same-origin" == answer.headers["Cross-Origin-Resource-Policy"]
    assert "same-origin" == answer.headers["Referrer-Policy"]
    assert "nosniff" == answer.headers["X-Content-Type-Options"]
    assert "no-store" == answer.headers["Cache-Control"]


def test_no_template_has_a_script_or_a_style_of_its_own() -> None:
    unwanted = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", re.IGNORECASE)
    found = [
        f"{file.name}: {match[0]}"
        for file in (STATIC.parent / "templates").rglob("*.html")
        for match in unwanted.finditer(file.read_text(encoding="utf-8"))
    ]

    assert [] == found


async def test_files_are_kept_for_ever_under_their_hash_and_come_packed(site: Site) -> None:
    stranger = await site.stranger()
    paths = ASSET.findall(await stranger.text("/sign-in"))

    assert len(paths) >= 5
    for path in paths:
        answer = await stranger.get(path, headers={"Accept-Encoding": "gzip"})
        body = await answer.read()

        assert 200 == answer.status
        assert "gzip" == answer.headers["Content-Encoding"]
        assert "immutable" in answer.headers["Cache-Control"]
        assert hashlib.sha256(body).hexdigest().startswith(path.split("/")[2])
        plain = await stranger.get(path, headers={"Accept-Encoding": "identity"})
        assert body == await plain.read()


async def test_no_other_file_is_served(site: Site) -> None:
    stranger = await site.stranger()
    for path in ("/assets/0000000000000000/app.css", "/assets/x/..%2Fapp.css", "/assets/x/vendor.toml"):
        assert 404 == (await stranger.get(path)).status, path


async def test_what_a_first_visit_loads_is_small(site: Site) -> None:
    files = [STATIC / "app.css", STATIC / "app.js", *VENDOR.glob("*/*.js")]

    assert sum(len(gzip.compress(file.read_bytes(), 9)) for file in files) < 27_000


def test_what_others_wrote_is_as_they_published_it() -> None:
    packages = tomllib.loads((VENDOR / "vendor.toml").read_text(encoding="utf-8"))["package"]
    listed = set()
    for package in packages:
        folder = VENDOR / package["folder"]

        assert 64 == len(base64.b64decode(package["integrity"].removeprefix("sha512-")))
        for name, expected in package["sha256"].items():
            listed.add(folder / name)
            assert expected == hashlib.sha256((folder / name).read_bytes()).hexdigest(), name
    assert listed == {file for file in VENDOR.rglob("*") if file.is_file() and file.name != "vendor.toml"}


@pytest.mark.parametrize("path", ["/nothing", "/backfills/nonsense", "/backfills/6f1c1a34-5d0e-4a53-9f43-0e9b4d3f7c11"])
async def test_what_is_not_there_is_a_whole_page(site: Site, path: str) -> None:
    answer = await (await site.sign_in("viewer")).get(path)
    page = await answer.text()

    assert 404 == answer.status
    assert '<html lang="en"' in page
    assert "<title>Not found" in page
    assert 'type="search"' in page


async def test_a_program_is_answered_json_where_there_is_nothing(site: Site) -> None:
    answer = await (await site.stranger()).get("/nothing", headers={"Accept": "application/json"})

    assert "not_found" == (await answer.json())["error"]["code"]


async def test_a_page_that_breaks_says_its_request_and_nothing_of_the_cause(
    site: Site, operations: BackfillOperations, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(operations.overview, "read", broken)
    answer = await (await site.sign_in("viewer")).get("/")
    page = await answer.text()

    assert 500 == answer.status
    assert answer.headers["X-Request-Id"] in page
    assert "the secret of the house" not in page
    assert "Traceback" not in page


async def test_a_form_that_is_none_is_refused(site: Site) -> None:
    person = await site.sign_in("viewer")
    for body, kind in (
        (b"\xff\xfe", "application/x-www-form-urlencoded"),
        (b"a=%00", "application/x-www-form-urlencoded"),
    ):
        headers = {"Origin": person.url, "Accept": "text/html", "Content-Type": kind}
        answer = await person.session.post("/sign-out", data=body, headers=headers, allow_redirects=False)

        assert 400 == answer.status
    wrong = await person.session.post("/sign-out", json={}, headers={"Origin": person.url})
    assert 415 == wrong.status
