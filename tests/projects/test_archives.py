"""What is let in of an archive, and what is not."""

import gzip
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.project_archives import packed, packed_members

from backfilld.projects import ArchiveLimits, ProjectInvalid
from backfilld.projects.archives import workflow_files
from backfilld.projects.budget import Budget, NobodyWaits

LIMITS = ArchiveLimits(bytes=1 << 20, members=20, workflow_bytes=10_000)


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.size, made.linkname = kind, size, link
    return made


def test_the_workflows_are_the_dig_files_at_the_top():
    archive = packed({"./a.dig": "one", "b.dig": "zwei ü", "sub/c.dig": "no", "d.sql": "no", "e.dig.txt": "no"})

    assert {"a.dig": "one", "b.dig": "zwei ü"} == workflow_files(archive, LIMITS)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (member("a.dig", tarfile.SYMTYPE, link="/etc/passwd"), "a.dig: is a link"),
        (member("a.dig", tarfile.LNKTYPE, link="b.dig"), "a.dig: is a link"),
        (member("dev", tarfile.CHRTYPE), "dev: is neither a plain file nor a folder"),
        (member("pipe", tarfile.FIFOTYPE), "pipe: is neither"),
        (member("/a.dig"), "/a.dig: is an absolute path"),
        (member("../a.dig"), "../a.dig: leads out of the project"),
        (member("x/../../a.dig"), "x/../../a.dig: leads out"),
        (member("c:\\a.dig"), "holds a backslash"),
    ],
)
def test_what_has_no_place_in_a_project_is_refused_by_name(made, words):
    archive = packed_members([(made, b""), (member("ok.dig", size=1), b"x")])
    with pytest.raises(ProjectInvalid) as problem:
        workflow_files(archive, LIMITS)

    assert words in problem.value.message


def test_all_bad_members_are_named_at_once():
    archive = packed_members(
        [(member("/a"), b""), (member("../b"), b""), (member("c", tarfile.SYMTYPE, link="d"), b"")]
    )
    with pytest.raises(ProjectInvalid) as problem:
        workflow_files(archive, LIMITS)

    assert ["../b", "/a", "c"] == [fault.file for fault in problem.value.faults]


def test_a_file_that_stands_there_twice_is_refused():
    archive = packed_members([(member("a.dig", size=1), b"x"), (member("./a.dig", size=1), b"y")])
    with pytest.raises(ProjectInvalid, match="twice"):
        workflow_files(archive, LIMITS)


def test_a_bomb_is_refused_before_it_is_unpacked():
    bomb = gzip.compress(b"\0" * (64 << 20))
    with pytest.raises(ProjectInvalid, match="larger than 1048576 bytes after unzipping"):
        workflow_files(bomb, LIMITS)


def test_a_file_full_of_holes_is_refused():
    header = member("a.dig", tarfile.GNUTYPE_SPARSE)
    with pytest.raises(ProjectInvalid):
        workflow_files(packed_members([(header, b"")]), LIMITS)


def test_too_many_members_are_refused():
    archive = packed({f"{n}.txt": "" for n in range(21)})
    with pytest.raises(ProjectInvalid, match="more than 20 members"):
        workflow_files(archive, LIMITS)


def test_workflow_files_that_are_too_large_together_are_refused():
    with pytest.raises(ProjectInvalid, match="larger than 10000 bytes together"):
        workflow_files(packed({"a.dig": "x" * 6000, "b.dig": "x" * 6000}), LIMITS)


def test_a_file_that_is_not_utf8_is_named_with_its_line():
    with pytest.raises(ProjectInvalid, match=r"a\.dig:2: is not UTF-8"):
        workflow_files(packed({"a.dig": b"a: 1\nb: \xff\n"}), LIMITS)


def test_an_archive_that_was_cut_off_is_refused():
    archive = packed({"a.dig": "x" * 5000})
    with pytest.raises(ProjectInvalid, match="ended before it was complete"):
        workflow_files(archive[: len(archive) // 2], LIMITS)


@given(garbage=st.binary(max_size=2000))
def test_garbage_is_refused_and_nothing_worse(garbage):
    for archive in (garbage, b"\x1f\x8b" + garbage, gzip.compress(garbage)):
        with pytest.raises(ProjectInvalid):
            workflow_files(archive, LIMITS)


@given(at=st.integers(0, 2047), byte=st.integers(0, 255), second=st.integers(0, 511), other=st.integers(0, 255))
def test_a_tar_that_was_tampered_with_is_read_or_refused(at, byte, second, other):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(member("ü" * 120 + ".dig", size=3), io.BytesIO(b"a: "))
    tar = bytearray(buffer.getvalue())
    tar[at % len(tar)] = byte
    tar[second] = other
    try:
        files = workflow_files(gzip.compress(bytes(tar), 1), LIMITS)
    except ProjectInvalid:
        return

    assert all(name.endswith(".dig") for name in files)


def header_of(kind: bytes, body: bytes) -> bytes:
    made = member("x", kind, size=len(body))
    return made.tobuf(tarfile.GNU_FORMAT) + body + bytes(-len(body) % 512)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
@pytest.mark.parametrize(
    ("size", "times"), [(900_000, 1), (0, 1_500), (600, 500)], ids=["one that is long", "many", "many with something"]
)
def test_headers_before_a_member_are_bounded(kind, size, times):
    tar = header_of(kind, b"1" * size) * times + header_of(tarfile.REGTYPE, b"")
    with pytest.raises(ProjectInvalid) as problem:
        workflow_files(gzip.compress(tar + bytes(1024), 1), LIMITS)

    assert "the archive is no tar" in problem.value.message or "no workflow" in problem.value.message


def test_an_archive_is_left_when_nobody_waits_for_it():
    steps = iter([False] * 5)

    with pytest.raises(NobodyWaits):
        workflow_files(packed({f"{n}.dig": "x" for n in range(15)}), LIMITS, Budget(lambda: next(steps, True)))
