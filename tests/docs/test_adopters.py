"""What somebody looks for who wants to take it over: licences, an image, metadata, what stays as it is."""

import re
import tomllib
from pathlib import Path

from tests.docs.test_documents import text_of

from backfilld.config import Settings

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]
CONTAINERFILE = text_of(ROOT / "Containerfile")
PERMISSIVE = re.compile(r"(Apache-2\.0|MIT(-0)?|BSD-[23]-Clause|PSF-2\.0|MPL-2\.0|Unicode-3\.0|AND|OR|[() ])+")


def test_every_locked_package_is_listed_with_a_licence_that_asks_for_nothing():
    locks = [text_of(ROOT / lock) for lock in ("requirements.lock", "requirements-temporal.lock")]
    locked = {name for lock in locks for name in re.findall(r"^([a-z0-9][\w.-]*)==", lock, re.MULTILINE)}
    told = dict(re.findall(r"^\| ([a-z0-9][\w.-]*) \| ([^|]+) \|$", text_of(ROOT / "THIRD_PARTY.md"), re.MULTILINE))
    told.pop("package", None)

    assert locked == set(told)
    assert {} == {name: licence for name, licence in told.items() if not PERMISSIVE.fullmatch(licence)}


def test_the_package_says_what_it_is():
    supported = {word.rsplit(" ", 1)[1] for word in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", word)}

    assert {"3.11", "3.12", "3.13", "3.14"} == supported
    assert "3.11 to 3.14" in text_of(ROOT / "docs/support.md")
    assert ["LICENSE", "THIRD_PARTY.md", "licenses/*.txt"] == PROJECT["license-files"]
    assert PROJECT["keywords"]


def test_the_image_runs_without_rights_and_names_what_there_is():
    last = CONTAINERFILE.rsplit("\nFROM ", 1)[1]
    settings = re.findall(r"BACKFILLD_(\w+)__(\w+)=", last)

    assert "USER 10001:10001" in last
    assert last.index("USER 10001") < last.index("ENTRYPOINT")
    assert 'ENTRYPOINT ["tini", "--", "backfilld"]' in last
    assert f"EXPOSE {Settings().server.port}" in last
    assert [("STATE", "DIRECTORY")] == settings
    assert "!dist/" in text_of(ROOT / ".containerignore")
    assert not re.search(r"^FROM [^\s:]+\.[^\s]*/", CONTAINERFILE, re.MULTILINE)  # no host of a registry
