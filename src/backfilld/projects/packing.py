"""A folder as the archive that a push sends: its plain files, without what is hidden."""

import gzip
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path


def packed_folder(folder: Path) -> bytes:
    """A gzip tar of the folder. The same files give the same bytes; links are packed as what they lead to."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in sorted(_files(folder)):
            content = file.read_bytes()
            member = tarfile.TarInfo(file.relative_to(folder).as_posix())
            member.size, member.mode = len(content), file.stat().st_mode & 0o777
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def _files(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and not entry.is_symlink():  # a link to a folder may lead in a circle
            yield from _files(entry)
        elif entry.is_file():
            yield entry
