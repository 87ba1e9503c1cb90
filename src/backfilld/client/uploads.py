"""Entities as lines of an upload."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence

import orjson

from backfilld.client.answers import Json

TYPES_A_LINE = 100  # names of 512 characters, at most: far below the longest line


async def with_types(lines: AsyncIterable[bytes], types: Mapping[str, str | None]) -> AsyncIterator[bytes]:
    """The lines, and behind them, so that each keeps its number, the types."""
    ends = b"\n"
    async for piece in lines:
        yield piece
        ends = piece[-1:] or ends
    if ends != b"\n":
        yield b"\n"
    names = list(types)
    for start in range(0, len(names), TYPES_A_LINE):
        some = {name: types[name] for name in names[start : start + TYPES_A_LINE]}
        yield orjson.dumps({"field_types": some}, option=orjson.OPT_APPEND_NEWLINE)


async def ndjson(entities: Sequence[Json]) -> AsyncIterator[bytes]:
    for entity in entities:
        yield orjson.dumps(entity, option=orjson.OPT_APPEND_NEWLINE)
