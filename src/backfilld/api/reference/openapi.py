"""The OpenAPI document, made from the routes and models that serve and validate: it cannot be wrong about them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from backfilld import __version__
from backfilld.api.framework.answering.envelope import DigdagProblem, ProblemAnswer
from backfilld.api.framework.answering.responses import DIGDAG_PREFIX
from backfilld.api.framework.reading.fields import LARGEST_ID
from backfilld.api.framework.reading.lenient_models import IGNORED_HEADER
from backfilld.api.framework.routing import Route
from backfilld.api.reference.operation_ids import operation_id
from backfilld.api.reference.schemas import Schemas

Json = dict[str, Any]
PUBLIC_PREFIX = "/public-api/"

ERRORS: Mapping[int, str] = {
    400: "The request cannot be read: not HTTP, not JSON, not UTF-8, duplicate keys, nested too deep, broken gzip.",
    401: "The caller is unknown.",
    403: "The caller's role is too small.",
    404: "There is no such thing.",
    408: "The body did not arrive in time.",
    409: "The thing is in a state that does not allow this now.",
    412: "`If-Match` names another version than the current one.",
    413: "The body is too large.",
    414: "The address is too long.",
    415: "A content type, charset or encoding that is not read here.",
    417: "`Expect` asks for something else than `100-continue`.",
    422: "Understood, but wrong; names every fault.",
    429: "Too many requests.",
    431: "A header is too long.",
    500: "Something went wrong here; the log says more beside the request id.",
    503: "The database, or something else that is needed, does not answer now.",
}
_RETRY = (429, 503)
_DESCRIPTION = """Runs a workflow over the past without hurting the present: over every entity that matches a filter,
inside daily windows, at most so many at a time, with an exact account of every entity afterwards.

Every answer carries `X-Request-Id`. Instants are RFC 3339 in UTC. Bodies may be gzipped. Unknown fields and unknown
query parameters are refused, and all faults of a request are named at once."""

_REQUEST_ID = {
    "name": "X-Request-Id", "in": "header", "required": False, "schema": {"type": "string"},
    "description": "A UUID of the caller's own, to be found in answer, log and audit trail.",
}  # fmt: skip
_RATE_HEADERS = {
    "X-RateLimit-Limit": "Requests in any 60 seconds.",
    "X-RateLimit-Remaining": "How many are left.",
    "X-RateLimit-Reset": "Seconds until one more request fits.",
}


def document(routes: Iterable[Route], public_url: str = "") -> Json:
    """OpenAPI 3.1 of all routes that are not hidden, below `public_url` (default: where the document came from)."""
    shown = [route for route in routes if not route.hidden]
    schemas = Schemas(shown)
    paths: dict[str, Json] = {}
    for route in shown:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "backfilld", "version": __version__, "description": _DESCRIPTION},
        "servers": [{"url": public_url or "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(map(_tag, shown))],
        "paths": paths,
        "components": {
            "schemas": schemas.components(),
            "responses": {
                **_problems("Problem", schemas, ProblemAnswer),
                **_problems("Digdag", schemas, DigdagProblem),
            },
            "headers": _headers(),
            "securitySchemes": _security_schemes(),
        },
    }


def _operation(route: Route, schemas: Schemas) -> Json:
    operation: Json = {
        "operationId": operation_id(route),
        "summary": route.summary,
        "tags": [_tag(route)],
        "parameters": _parameters(route, schemas),
        "responses": _responses(route, schemas),
        "security": _security(route),
    }
    if route.role is not None:
        operation["x-required-role"] = route.role
    if route.description:
        operation["description"] = route.description
    if body := _body(route, schemas):
        operation["requestBody"] = body
    return operation


def _tag(route: Route) -> str:
    return route.tag[:1].upper() + route.tag[1:] or "Other"


def _parameters(route: Route, schemas: Schemas) -> list[Json]:
    found = [
        {"name": name, "in": "path", "required": True, "schema": _PATH_SCHEMAS[route.path_types.get(name, str)]}
        for name in route.placeholders
    ]
    if route.query is not None:
        properties, required = schemas.properties(route.query)
        for name, schema in properties.items():
            shown = {key: value for key, value in schema.items() if key not in ("title", "description")}
            parameter = {"name": name, "in": "query", "required": name in required, "schema": shown}
            found.append(parameter | ({"description": schema["description"]} if "description" in schema else {}))
    for name, description in route.headers.items():
        schema = {"type": "string"}
        found.append({"name": name, "in": "header", "required": False, "schema": schema, "description": description})
    return [*found, _REQUEST_ID]


_PATH_SCHEMAS: Mapping[type, Json] = {
    str: {"type": "string", "minLength": 1},
    int: {"type": "integer", "format": "int64", "minimum": 1, "maximum": LARGEST_ID},
    UUID: {"type": "string", "format": "uuid"},
}


def _body(route: Route, schemas: Schemas) -> Json | None:
    if route.raw_body is not None:
        content: Json = {kind: {"schema": dict(schema)} for kind, schema in route.raw_body.items()}
    elif route.body is not None:
        content = {"application/json": {"schema": schemas.of(route.body, "validation")}}
    else:
        return None
    return {"required": not route.body_optional, "content": content}


def _responses(route: Route, schemas: Schemas) -> Json:
    answers: Json = {str(route.status): _success(route, schemas)}
    if route.other_answer is not None:
        other = replace(route, status=200, answer=route.other_answer)
        answers["200"] = _success(other, schemas)
    family = "Digdag" if route.path.startswith(DIGDAG_PREFIX) else "Problem"
    for status in sorted(_statuses(route)):
        if str(status) not in answers:
            answers[str(status)] = {"$ref": f"#/components/responses/{family}{status}"}
    for status in route.same_shape:
        answers[str(status)] = answers[str(route.status)]
    return answers


def _statuses(route: Route) -> set[int]:
    wrong = {400} if route.path.startswith(DIGDAG_PREFIX) else {400, 422}
    statuses = {*wrong, 414, 417, 431, 500, *route.errors}
    if route.role is not None:
        statuses |= {401, 403, 429, 503}
    if route.placeholders:
        statuses.add(404)
    if route.method != "GET":
        statuses |= {408, 413} if route.path.startswith(DIGDAG_PREFIX) else {408, 413, 415}
    return statuses


def _success(route: Route, schemas: Schemas) -> Json:
    headers = _ref_headers("X-Request-Id", *(_RATE_HEADERS if route.role is not None else ()))
    if route.path.startswith(DIGDAG_PREFIX) and route.role is not None:
        headers |= _ref_headers(IGNORED_HEADER)
    if route.status == 201:
        headers |= _ref_headers("Location")
    answer: Json = {"description": "Done.", "headers": headers}
    if route.status == 204:
        return answer
    if route.answer is None:
        answer["content"] = {kind: _unmodelled(kind) for kind in (route.content_type, *route.other_content_types)}
        return answer
    schema = schemas.of(route.answer, "serialization")
    if route.path.startswith(PUBLIC_PREFIX):
        schema = schemas.envelope(route.answer)
    answer["content"] = {route.content_type: {"schema": schema}}
    return answer


def _unmodelled(content_type: str) -> Json:
    if content_type == "text/event-stream":
        return {}  # OpenAPI 3.1 has no words for a sequence of events, and readers differ over what a schema would mean
    return {"schema": {"type": "object" if content_type == "application/json" else "string"}}


def _problems(family: str, schemas: Schemas, model: type[BaseModel]) -> Json:
    schema = schemas.of(model, "serialization")
    found: Json = {}
    for status, description in ERRORS.items():
        names = ["X-Request-Id", *(["Retry-After"] if status in _RETRY else [])]
        names += ["WWW-Authenticate"] if status == 401 else []
        found[f"{family}{status}"] = {
            "description": description,
            "headers": _ref_headers(*names),
            "content": {"application/json": {"schema": schema}},
        }
    return found


def _headers() -> Json:
    number, text = {"type": "integer"}, {"type": "string"}
    return {
        "X-Request-Id": {"description": "Of this request.", "schema": {"type": "string", "format": "uuid"}},
        "Location": {"description": "Where the new thing is.", "schema": text},
        "Retry-After": {"description": "Seconds to wait.", "schema": number},
        IGNORED_HEADER: {
            "description": "Keys and parameters that are not known here, if there were any.",
            "schema": text,
        },
        "WWW-Authenticate": {"description": "What to sign in with.", "schema": text},
        **{name: {"description": description, "schema": number} for name, description in _RATE_HEADERS.items()},
    }


def _ref_headers(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _security(route: Route) -> list[Json]:
    if route.role is None:
        return []
    return [{"bearer": []}, *([{"td1": []}] if route.path.startswith(DIGDAG_PREFIX) else [])]


def _security_schemes() -> Json:
    return {
        "bearer": {
            "type": "http", "scheme": "bearer", "description": "An API key of a service account: `neo_sk_…`.",
        },
        "td1": {
            "type": "apiKey", "in": "header", "name": "Authorization", "description": "`TD1 <api key>`, under /api.",
        },
    }  # fmt: skip
