"""What is wrong with the templates of a request, and of the questions that belong to it."""

import re
from collections.abc import Iterator

from backfilld.domain.errors import Fault, pointer
from backfilld.domain.placeholders import names_in, problems_with, texts_in
from backfilld.executors.definitions.http import HttpExecutor
from backfilld.executors.http.templated.request_filling import filling_names, names_a_run

IN_URL = re.compile(r"\{([^{}]*)\}")


def template_faults(executor: HttpExecutor) -> Iterator[Fault]:
    """Of bodies, of what stands in braces in URLs, and of names of runs; paths are pointers into the executor."""
    if executor.request is None:
        return
    bodies = {"request": executor.request.body, "cancel": executor.cancel.body if executor.cancel else None}
    for key, body in bodies.items():
        for text in texts_in(body):
            yield from _body_faults(text, pointer(key, "body"))
    for path, url in urls_of(executor).items():
        yield from _url_faults(url, path)
    names_runs = names_a_run([executor.url, *texts_in(executor.request.body)])
    asked = executor.poll.url if executor.poll is not None else None
    if executor.attach_on and names_runs and asked is not None and not names_a_run([asked]):
        message = "has to name the run as `request` does, by {run_name} or {run_name.short}"
        yield Fault("/poll/url", "unknown_run", message)


def urls_of(executor: HttpExecutor) -> dict[str, str]:
    """Every URL that is asked: where it stands → as it is written."""
    urls = {"/url": executor.url}
    if executor.poll is not None and executor.poll.url is not None:
        urls["/poll/url"] = executor.poll.url
    if executor.cancel is not None:
        urls["/cancel/url"] = executor.cancel.url
    return urls


def _body_faults(text: str, path: str) -> Iterator[Fault]:
    for problem in problems_with(text):
        yield Fault(path, "invalid_placeholder", problem)
    for inner in names_in(text):
        if not filling_names(inner):
            yield Fault(path, "unknown_placeholder", f"${{{inner[:100]}}} is not known")


def _url_faults(url: str, path: str) -> Iterator[Fault]:
    for name in IN_URL.findall(url):
        if not filling_names(name):
            yield Fault(path, "unknown_placeholder", f"{{{name[:100]}}} is not a placeholder; {{entity.id}} is one")
    if IN_URL.search(url.partition("://")[2].partition("/")[0].partition("?")[0]):
        yield Fault(path, "invalid_url", "a placeholder may stand in the path and the query, not in the host")
