"""The named components of the OpenAPI description: clients are generated from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streamlearner import answer_models
from streamlearner.answer_models.shown import examples_of
from streamlearner.serving.bodies import Body
from streamlearner.serving.body_schemas import MARK, SHARED, JsonSchema
from streamlearner.serving.problem_kinds import BY_STATUS, KINDS, MEDIA, TYPE, document

SCHEME = "token"
REFERENCE = "#/components/{section}/{name}"
PROBLEM = "ProblemDocument"
"""The schema of every error, an answer model."""

_SCHEMES = {
    SCHEME: {
        "type": "http",
        "scheme": "bearer",
        "description": "a token of serving.token_files, with the role that each path names as x-role",
    }
}
_HEADERS: dict[str, JsonSchema] = {
    "RetryAfter": {
        "description": "in how many seconds to ask again",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWWAuthenticate": {"description": "how to ask: by a bearer token", "schema": {"type": "string"}},
    "Allow": {"description": "the methods that the path takes", "schema": {"type": "string"}},
}
_HEADERS_OF = {
    401: {"WWW-Authenticate": "WWWAuthenticate"},
    405: {"Allow": "Allow"},
    429: {"Retry-After": "RetryAfter"},
    503: {"Retry-After": "RetryAfter"},
}
_DETAILS = {
    "invalid-input": '"inputs" is missing; expected inputs, task?, return?',
    "token-missing": "this needs the header Authorization: Bearer TOKEN, of a token with the role teach",
    "role-missing": "this token does not have the role teach",
    "unknown-version": "model version 9 is not kept; kept are 2, 3",
    "no-such-path": 'no such path: /v1/predcit; did you mean "/v1/predict"?',
    "label-conflict": 'prediction "6b1f0c9d2a7e-17" has the label 4 already',
    "too-large": "the body has 40000000 bytes; expected at most 33554432 (serving.max_body_bytes)",
    "backlog-full": "100000 examples wait to be learned; expected fewer than 100000",
    "busy": "the learning loop did not get to it within 10 s; try again",
}


def reference(section: str, name: str) -> JsonSchema:
    """Where a component stands."""
    return {"$ref": REFERENCE.format(section=section, name=name)}


def response_name(status: int | None) -> str:
    """The component of an error with that status; None: of any other."""
    if status is None or status not in BY_STATUS:
        return "Problem"
    return "".join(word.capitalize() for word in BY_STATUS[status].split("-"))


def add_components(described: JsonSchema) -> None:
    """Adds all that the paths, or each other, refer to and the security scheme."""
    components = described.setdefault("components", {})
    components["securitySchemes"] = _SCHEMES
    components["headers"] = _HEADERS
    components["responses"] = {response_name(status): _response(status) for status in (*BY_STATUS, None)}
    schemas = components.setdefault("schemas", {})
    schemas.update(SHARED)
    _show_nulls(schemas)
    bodies = {kind.__name__: kind for kind in _kinds(Body)}
    missing = _missing(described, schemas)
    while missing:
        for name in missing:
            schemas[name] = _body(bodies[name])
        missing = _missing(described, schemas)
    for methods in described["paths"].values():
        for operation in methods.values():
            operation["responses"] = {
                status: {"$ref": each["$ref"]} if "$ref" in each else each
                for status, each in operation["responses"].items()
            }


def _show_nulls(schemas: JsonSchema) -> None:
    """FastAPI takes every key out whose value is null, those of examples included."""
    for name, schema in schemas.items():
        if "examples" in schema:
            schema["examples"] = examples_of(getattr(answer_models, name))


def _response(status: int | None) -> JsonSchema:
    kinds = [name for name, kind in KINDS.items() if kind.status == status]
    found: JsonSchema = {
        "description": "; ".join(KINDS[name].title for name in kinds) or "any other error",
        "content": {MEDIA: {"schema": reference("schemas", PROBLEM)}},
    }
    if kinds and status is not None:
        found["content"][MEDIA]["examples"] = {name: _example(status, name) for name in kinds}
    if headers := _HEADERS_OF.get(status or 0):
        found["headers"] = {header: reference("headers", name) for header, name in headers.items()}
    return found


def _example(status: int, name: str) -> JsonSchema:
    return {
        "summary": f"{TYPE}{name}",
        "value": document(status, _DETAILS.get(name, KINDS[name].title), kind=name),
    }


def _body(kind: type[Body]) -> JsonSchema:
    """Its JSON schema; bodies inside it are components of their own."""
    schema = kind.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return schema | ({"examples": [kind.example]} if kind.example else {})


def _kinds(kind: type[Body]) -> Iterator[type[Body]]:
    for each in kind.__subclasses__():
        yield each
        yield from _kinds(each)


def _missing(described: JsonSchema, schemas: JsonSchema) -> list[str]:
    return sorted(set(_referred(described)) - schemas.keys())


def _referred(part: Any) -> Iterator[str]:
    """Names of schemas that any part refers to, or marks."""
    if isinstance(part, list):
        for each in part:
            yield from _referred(each)
    elif isinstance(part, dict):
        link = part.get("$ref")
        if isinstance(link, str) and link.startswith(REFERENCE.format(section="schemas", name="")):
            yield link.rpartition("/")[2]
        elif isinstance(mark := part.get(MARK), str) and mark[:1].isupper():
            yield mark
        for each in part.values():
            yield from _referred(each)
