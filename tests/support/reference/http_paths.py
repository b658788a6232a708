"""Every path of the HTTP application: parameters, body and answers, from its OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from prometheus_client import CollectorRegistry

from streamlearner.decoding.codec import Codec
from streamlearner.serving import Ports, Serving
from streamlearner.telemetry.metrics import Metrics
from tests.support.reference.markdown import code, table
from tests.support.serving_fakes import FakeDaemon

Document = dict[str, Any]


@cache
def document() -> Document:
    """What GET /openapi.json answers."""
    serving = Serving(
        ports=Ports(host="127.0.0.1", port=0),
        daemon=FakeDaemon(),
        metrics=Metrics(CollectorRegistry()),
        codec=Codec(),
    )
    try:
        found: Document = serving.application.openapi()
    finally:
        serving.stop()
    return found


def page() -> str:
    """A table of all, then a heading for each."""
    found = document()
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in found["paths"].items()
        for method, operation in methods.items()
    }
    summary = [(code(name), each["description"], each["x-role"]) for name, each in operations.items()]
    parts = [table(("path", "what it does", "role"), summary), ""]
    return "\n".join([*parts, *(part for each in operations.items() for part in described(*each))])


def resolved(schema: Document) -> Document:
    """The component that a schema refers to, and what stands beside the reference."""
    if "$ref" not in schema:
        return schema
    found: Document = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found | {key: value for key, value in schema.items() if key != "$ref"}


def described(name: str, operation: Document) -> Iterator[str]:
    yield f"### {name}\n"
    yield f"{' '.join(operation['description'].split())}\n"
    if parameters := operation.get("parameters"):
        rows = [(code(each["name"]), kind(each["schema"]), about(each)) for each in parameters]
        yield table(("parameter", "type", "what it does"), rows)
        yield ""
    content = operation.get("requestBody", {}).get("content", {})
    body = resolved(content.get("application/json", {}).get("schema", {}))
    if fields := body.get("properties"):
        required = body.get("required", [])
        rows = [
            (code(key) + (", required" if key in required else ""), kind(field), field.get("description", ""))
            for key, field in fields.items()
        ]
        yield table(("key of the JSON body", "type", "what it is"), rows)
        yield ""
    if others := [media for media in content if media != "application/json"]:
        yield f"The body may also be {as_it_is(name)}: {', '.join(map(code, others))}.\n"
    statuses = [status for status in operation["responses"] if status != "default"]
    done, errors = ([each for each in statuses if (each < "400") is good] for good in (True, False))
    yield f"Answers {', '.join(done)}{'; errors: ' if errors else ''}{', '.join(errors)}.\n"


def as_it_is(name: str) -> str:
    if name.endswith("/v1/examples"):
        return "[many examples at once](#many-examples-at-once)"
    return "JSON with raw bytes behind it" if "/v2/" in name else "one input as it is"


def about(parameter: Document) -> str:
    """What a parameter of the path or the query does, and its default."""
    default = parameter["schema"].get("default")
    if parameter["in"] == "path":
        return parameter.get("description") or "in the path"
    return parameter.get("description", "") + ("" if default is None else f"; {default} by default")


def kind(schema: Document) -> str:
    """A type or the words to choose from."""
    schema = resolved(schema)
    choices = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    return " or ".join(one_kind(each) for each in choices)


def one_kind(choice: Document) -> str:
    choice = resolved(choice)
    if "enum" in choice or "const" in choice:
        return ", ".join(code(value) for value in choice.get("enum", [choice.get("const")]))
    kind: str = choice.get("type", "any")
    return f"list of {one_kind(choice['items'])}" if kind == "array" else kind
