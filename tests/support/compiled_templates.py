"""The dashboard's templates, compiled once in a process and not once for each site that a test opens.

Compiling them is four fifths of what the tests of pages cost. What is compiled hangs on the text alone.
"""

from functools import cached_property
from types import CodeType

from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket

from backfilld.web.frame.templates import Templates


class _Compiled(BytecodeCache):
    """Code by the name of its template and the checksum of its text."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], CodeType | None] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key, bucket.checksum] = bucket.code


def compile_templates_once() -> None:
    """From now on, in this process."""
    compiled, made = _Compiled(), Templates._environment.func

    def environment(templates: Templates) -> Environment:
        environment = made(templates)
        environment.bytecode_cache = compiled
        return environment

    shared = cached_property(environment)
    shared.__set_name__(Templates, "_environment")
    Templates._environment = shared  # type: ignore[assignment]
