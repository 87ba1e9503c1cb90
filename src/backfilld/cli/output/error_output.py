"""Every expected error as a few lines on stderr and an exit code; never a traceback.

A command raises what its parts raise. What that means for somebody at a terminal is said here, once.
"""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click
import orjson

from backfilld.cli.output import exit_codes

KEY_HINT = "say who you are with --api-key or BACKFILLD_API_KEY; `backfilld keys create` makes a key"
WANTS_JSON = "backfilld.wants_json"  # set in the context's meta by --json


class Failure(Exception):
    """Something that a command itself found wrong; shown as it is."""

    def __init__(self, message: str, *, exit_code: int = exit_codes.ERROR, code: str = "error") -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code
        self.code = code


@contextmanager
def translated(context: click.Context) -> Iterator[None]:
    """Turn every expected error of the body into its lines on stderr and its exit code."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(err=True)
        context.exit(exit_codes.INTERRUPTED)
    except click.UsageError as problem:
        if not _wants_json(context) or isinstance(problem, click.exceptions.NoArgsIsHelpError):
            raise
        _show(context, {"code": "usage", "message": problem.format_message(), "details": []})
        _leave(context, exit_codes.USAGE)
    except click.Abort as answer:
        if isinstance(answer.__context__, KeyboardInterrupt):  # at a question, which takes it for a no
            context.exit(exit_codes.INTERRUPTED)
        raise
    except (click.ClickException, click.exceptions.Exit):
        raise
    except Exception as problem:
        described = _describe(problem)
        if described is None:
            raise
        exit_code, error = described
        _show(context, error)
        _leave(context, exit_code)


def _wants_json(context: click.Context) -> bool:
    # What cannot be parsed is refused before any option was looked at; then only the words themselves can tell.
    return bool(context.meta.get(WANTS_JSON)) or "--json" in sys.argv[1:]


def _leave(context: click.Context, exit_code: int) -> NoReturn:
    context.exit(exit_code)


def _describe(problem: Exception) -> tuple[int, dict[str, Any]] | None:
    """Exit code and error document; None for what is nobody's fault but ours.

    By module and not by `isinstance`, where that would import a library just to find that it was not used.
    """
    from backfilld.domain.errors import BackfilldError, Invalid

    if isinstance(problem, Failure):
        return problem.exit_code, {"code": problem.code, "message": problem.message, "details": []}
    if isinstance(problem, BackfilldError):
        faults = problem.faults if isinstance(problem, Invalid) else ()
        details = [
            {"path": fault.path, "code": fault.code, "message": fault.message, "allowed": list(fault.allowed)}
            for fault in faults
        ]
        code = exit_codes.of_http_status(problem.status)
        return code, {"code": problem.code, "message": problem.message, "details": details}
    if "backfilld.client.answers" in sys.modules and (answered := _describe_refusal(problem)):
        return answered
    if _is_named(problem, "backfilld.app"):
        return exit_codes.CANNOT_WORK, _plain("cannot_work", problem)
    if _is_named(problem, "backfilld.config"):
        return exit_codes.USAGE, _plain("invalid_config", problem)
    if (
        _is_named(problem, "backfilld.embedded")
        or _is_named(problem, "asyncpg")
        or _is_named(problem, "backfilld.store")
    ):
        return exit_codes.UNAVAILABLE, _plain("database", problem, "database: ")
    if isinstance(problem, OSError) and problem.errno != errno.EPIPE:
        return exit_codes.ERROR, _plain("system", problem)
    return None


def _describe_refusal(problem: Exception) -> tuple[int, dict[str, Any]] | None:
    from backfilld.client.answers import ApiError, ServerReached, ServerUnreachable

    if isinstance(problem, ServerReached):
        return exit_codes.UNAVAILABLE, {"code": "unreachable", "message": str(problem), "details": []}
    if isinstance(problem, ServerUnreachable):
        hint = "is `backfilld serve` running? Say where with --url or BACKFILLD_URL"
        return exit_codes.UNAVAILABLE, {"code": "unreachable", "message": f"{problem}; {hint}", "details": []}
    if isinstance(problem, ApiError):
        details = [
            {"path": detail.path, "code": detail.code, "message": detail.message, "allowed": list(detail.allowed)}
            for detail in problem.details
        ]
        hint = f"; {KEY_HINT}" if problem.status == 401 else ""
        error = {"code": problem.code, "message": problem.message + hint, "details": details}
        return exit_codes.of_http_status(problem.status), error | {"request_id": problem.request_id}
    return None


def _is_named(problem: Exception, package: str) -> bool:
    modules = (kind.__module__ for kind in type(problem).__mro__)
    return any(module == package or module.startswith(package + ".") for module in modules)


def _plain(code: str, problem: Exception, prefix: str = "") -> dict[str, Any]:
    return {"code": code, "message": prefix + (str(problem) or type(problem).__name__), "details": []}


def _show(context: click.Context, error: dict[str, Any]) -> None:
    if _wants_json(context):
        click.echo(orjson.dumps({"error": error}), err=True)
        return
    lines = [f"Error: {error['message']}"]
    if len(error["details"]) > 1 or any(detail["allowed"] for detail in error["details"]):
        for detail in error["details"]:
            allowed = f" (allowed: {', '.join(detail['allowed'])})" if detail["allowed"] else ""
            lines.append(f"  {detail['path'] or '/'}: {detail['message']}{allowed}")
    elif error["details"] and error["details"][0]["path"] not in error["message"]:
        lines.append(f"  {error['details'][0]['path']}: {error['details'][0]['message']}")
    if error.get("request_id") and error["code"] == "internal":
        lines.append(f"  request {error['request_id']}")
    click.echo("\n".join(lines), err=True)
