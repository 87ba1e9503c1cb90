"""The gzip tar that a push consists of: opened in bounds, and never unpacked to a disk.

Whoever may push is an administrator, but what he sends may be anything: a bomb, a link to /etc/passwd, garbage. So the
size is counted while inflating, only plain files and folders are let in, and nothing but the workflow files is read.
"""

import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from backfilld.projects.budget import Budget
from backfilld.projects.faults import ProjectFault, ProjectInvalid

SUFFIX = ".dig"
_GZIP = 31  # zlib's number for a gzip header and the largest window
_PIECE = 1 << 16
_LONGEST_SHOWN = 200
_LONGEST_HEADER = 8_192  # more than the longest path; tarfile searches it in time that grows with its square
# Whatever tarfile stumbles over in a header that somebody has made up.
_UNREADABLE = (tarfile.TarError, ValueError, OverflowError, EOFError, IndexError, KeyError, TypeError, OSError,
               RecursionError)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """How much a project may be. `bytes` is after unzipping; `workflow_bytes` is of all workflow files together."""

    bytes: int = 64 << 20
    members: int = 10_000
    workflow_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What an archive holds: its workflow files, name → text, and the paths of all other files."""

    workflows: Mapping[str, str]
    others: tuple[str, ...]


def workflow_files(archive: bytes, limits: ArchiveLimits, budget: Budget | None = None) -> dict[str, str]:
    """The `.dig` files at the top of the archive, by name. ProjectInvalid for an archive that is not let in.

    NobodyWaits of the budget.
    """
    return dict(unpacked(archive, limits, budget).workflows)


def unpacked(archive: bytes, limits: ArchiveLimits, budget: Budget | None = None) -> Unpacked:
    """What is in the archive; raises as `workflow_files`."""
    budget = budget or Budget()
    tar = _inflated(archive, limits.bytes)
    faults: list[ProjectFault] = []
    files: dict[str, bytes] = {}
    others: list[str] = []
    together = 0
    try:
        with tarfile.open(fileobj=_Headers(tar, budget), mode="r:") as opened:
            for name, member in _members(opened, limits, faults):
                if "/" in name or not name.endswith(SUFFIX):
                    others.append(name)
                    continue
                files[name] = tar[member.offset_data : member.offset_data + member.size]
                together += len(files[name])
                if together > limits.workflow_bytes:
                    raise _refused(f"the workflow files are larger than {limits.workflow_bytes} bytes together")
    except _UNREADABLE as problem:
        raise _refused(f"the archive is no tar: {str(problem)[:_LONGEST_SHOWN]}") from problem
    texts = {name: _text(name, content, faults) for name, content in files.items()}
    if not files and not faults:
        faults.append(ProjectFault("", 0, f"the archive holds no workflow: no file *{SUFFIX} at its top"))
    if faults:
        raise ProjectInvalid(faults)
    return Unpacked(texts, tuple(others))


class _Headers(io.BytesIO):
    """A tar of which only headers are read, and long ones are not."""

    def __init__(self, tar: bytes, budget: Budget) -> None:
        super().__init__(tar)
        self._budget = budget

    def read(self, size: int | None = -1) -> bytes:
        self._budget.look_up()
        if size is None or not 0 <= size <= _LONGEST_HEADER:
            raise tarfile.ReadError(f"a header is longer than {_LONGEST_HEADER} bytes")
        return super().read(size)


def _inflated(archive: bytes, most_bytes: int) -> bytes:
    if archive[:2] != b"\x1f\x8b":
        raise _refused("the archive is not gzip; send a tar that gzip has compressed")
    inflater, tar = zlib.decompressobj(wbits=_GZIP), bytearray()
    rest = archive
    try:
        while rest and not inflater.eof:
            tar += inflater.decompress(rest, _PIECE)
            rest = inflater.unconsumed_tail
            if len(tar) > most_bytes:
                raise _refused(f"the archive is larger than {most_bytes} bytes after unzipping")
        while not inflater.eof and (more := inflater.decompress(b"", _PIECE)):
            tar += more
    except zlib.error as problem:
        raise _refused(f"the archive is not gzip: {problem}") from problem
    if not inflater.eof:
        raise _refused("the archive ended before it was complete")
    return bytes(tar)


def _members(
    opened: tarfile.TarFile, limits: ArchiveLimits, faults: list[ProjectFault]
) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """The plain files; whatever may not be in an archive at all becomes a fault."""
    seen: set[str] = set()
    for number, member in enumerate(opened):
        if number >= limits.members:
            raise _refused(f"the archive has more than {limits.members} members")
        path = PurePosixPath(member.name)
        name = str(path)
        problem = _problem_with(member, path)
        if problem is None and name in seen and not member.isdir():
            problem = "stands in the archive twice"
        if problem is not None:
            faults.append(ProjectFault(_shown(member.name), 0, problem))
        elif member.isreg():
            yield name, member
        seen.add(name)


def _problem_with(member: tarfile.TarInfo, path: PurePosixPath) -> str | None:
    if member.issym() or member.islnk():
        return "is a link; put the file itself into the archive"
    if not (member.isreg() or member.isdir()) or member.issparse():
        return "is neither a plain file nor a folder"
    if path.is_absolute() or "\\" in member.name:
        return "is an absolute path, or holds a backslash; paths are relative to the project, with '/'"
    if ".." in path.parts:
        return "leads out of the project"
    if not member.name.isprintable():
        return "has a name with control characters"
    return None


def _text(name: str, content: bytes, faults: list[ProjectFault]) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        faults.append(ProjectFault(name, line, "is not UTF-8"))
        return ""


def _refused(message: str) -> ProjectInvalid:
    return ProjectInvalid([ProjectFault("", 0, message)])


def _shown(name: str) -> str:
    return ascii(name)[1:-1][:_LONGEST_SHOWN] if not name.isprintable() else name[:_LONGEST_SHOWN]
