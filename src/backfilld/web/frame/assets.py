"""The files that pages need: each under its own hash, so that browsers keep it for ever and never keep an old one."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

from aiohttp import web

from backfilld.domain.errors import NotFound

_FOLDER = files("backfilld.web") / "static"
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
PATH = "/assets/{hash}/{name}"
FILES: Mapping[str, str] = {
    "app.css": "app.css",
    "new.css": "new.css",
    "schedules.css": "schedules.css",
    "system.css": "system.css",
    "app.js": "app.js",
    "htmx.min.js": "vendor/htmx-4.0.1/htmx.min.js",
    "hx-sse.min.js": "vendor/htmx-4.0.1/hx-sse.min.js",
    "icon.svg": "icon.svg",
    "icon-attention.svg": "icon-attention.svg",
}


@dataclass(frozen=True)
class Asset:
    """One file."""

    name: str
    body: bytes

    @cached_property
    def hash(self) -> str:
        return hashlib.sha256(self.body).hexdigest()[:16]

    @cached_property
    def packed(self) -> bytes:
        """Squeezed once, as small as it gets."""
        return gzip.compress(self.body, 9, mtime=0)

    @property
    def path(self) -> str:
        return PATH.format(hash=self.hash, name=self.name)


class Assets:
    """All of them, read when first asked for."""

    @cached_property
    def _by_name(self) -> Mapping[str, Asset]:
        return {name: Asset(name, _FOLDER.joinpath(*place.split("/")).read_bytes()) for name, place in FILES.items()}

    def path(self, name: str) -> str:
        """Where a page finds the file. KeyError."""
        return self._by_name[name].path

    def answer(self, hash_: str, name: str, *, takes_gzip: bool) -> web.Response:
        """The file. NotFound, also for the hash of another version: that one's content is not to be had here."""
        asset = self._by_name.get(name)
        if asset is None or asset.hash != hash_:
            raise NotFound("there is no such file")
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
        if takes_gzip:
            headers["Content-Encoding"] = "gzip"
        kind = _TYPES[name.rpartition(".")[2]]
        body = asset.packed if takes_gzip else asset.body
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)
