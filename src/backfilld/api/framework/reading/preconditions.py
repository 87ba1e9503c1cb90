"""The header `If-Match`: do it only if the thing still is as the caller knows it."""

import re

from aiohttp import web

HEADER = "If-Match"
DESCRIBED = {HEADER: "Only if it has this version: as ETag says it, or bare; `*` is any. Else 412."}
_VERSION = re.compile(r'"([0-9]{1,18})"|([0-9]{1,18})')


def wanted_versions(request: web.Request) -> frozenset[int] | None:
    """The versions that the thing may have; None: any. What is no version of ours matches nothing."""
    named = [one.strip() for line in request.headers.getall(HEADER, []) for one in line.split(",")]
    if not named or "*" in named:
        return None
    return frozenset(int(found[1] or found[2]) for one in named if (found := _VERSION.fullmatch(one)))
