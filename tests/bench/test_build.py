"""What the page says of the Python that the figures were made with."""

import pytest
from bench.figures.build import kind, place, python_build, slug


@pytest.mark.parametrize(
    ("said", "schemes", "words"),
    [
        ("'--prefix=/x' -g -O3 -Wall", (), "-O3, without profiles, without link-time optimisation"),
        ("'--enable-optimizations' '--with-lto' -O3", (), "-O3, with profiles, with link-time optimisation"),
        ("-O2 -fprofile-use -O3", (), "-O3, with profiles, without link-time optimisation"),
        ("-g -O2 -Wl,-O1", ("posix_local",), "-O2, as Debian builds it: with profiles and link-time optimisation"),
        ("", (), "without profiles, without link-time optimisation"),
    ],
)
def test_how_python_was_built_is_read_from_its_flags(said, schemes, words):
    assert words == kind(said, schemes)


def test_version_kind_and_place_are_told():
    assert place() in python_build()
    assert "/" not in slug()
