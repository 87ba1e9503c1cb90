"""Projects as clients pack them."""

import gzip
import io
import tarfile
from collections.abc import Mapping


def packed(files: Mapping[str, str | bytes]) -> bytes:
    """A gzip tar of these files; the same bytes each time."""
    members = []
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        member = tarfile.TarInfo(name)
        member.size = len(data)
        members.append((member, data))
    return packed_members(members)


def packed_members(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """A gzip tar of any members at all."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member, data in members:
            tar.addfile(member, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), mtime=0)
