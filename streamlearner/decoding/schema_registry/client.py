"""Asks a Schema Registry over HTTP, as Confluent's, Karapace, Redpanda and Apicurio answer."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import HTTPSHandler, Request, build_opener

from streamlearner.decoding.schema_registry.framing import SchemaId

_MOST_BYTES: Final = 16 * 2**20
_MOST_REFERENCES: Final = 200
"""Of one schema, those of references included."""
_ACCEPT: Final = "application/vnd.schemaregistry.v1+json, application/json"


class UnknownSchema(Exception):
    """The registry answered that it has none of this id, or what it has cannot be used."""


class RegistryUnreachable(Exception):
    """The registry does not answer, or not us: it may later."""


@dataclass(frozen=True, slots=True)
class RegisteredSchema:
    """A schema as the registry has it. `kind`: AVRO, PROTOBUF or JSON. `name`: by which another refers to it;
    `references` come in an order in which each refers only to those before it."""

    kind: str
    text: str
    name: str = ""
    references: tuple[RegisteredSchema, ...] = ()


@dataclass(slots=True)
class _Found:
    """By subject and version, so that each is asked for once."""

    schemas: dict[tuple[str, int], RegisteredSchema] = field(default_factory=dict)


class RegistryClient:
    """`urls`: of one registry, tried in order. Blocks up to `timeout_s` for each answer."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        username: str | None = None,
        password: str | None = None,
        ca_file: Path | None = None,
        timeout_s: float,
    ) -> None:
        self._urls = [url.rstrip("/") for url in urls]
        self._authorization = None
        if username is not None:
            pair = f"{username}:{password or ''}".encode()
            self._authorization = "Basic " + base64.b64encode(pair).decode()
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
        self._opener = build_opener(HTTPSHandler(context=context))
        self._timeout_s = timeout_s

    def schema(self, schema: SchemaId) -> RegisteredSchema:
        """The schema with this id, and all that it refers to. Raises `UnknownSchema` and
        `RegistryUnreachable`."""
        path = f"/schemas/ids/{schema}" if isinstance(schema, int) else f"/schemas/guids/{schema}"
        return self._read(path, "", _Found())

    def _read(self, path: str, name: str, found: _Found) -> RegisteredSchema:
        answer = self._ask(path)
        kind, text = answer.get("schemaType") or "AVRO", answer.get("schema")
        if not isinstance(kind, str) or not isinstance(text, str):
            raise UnknownSchema(f"{path} is answered without a schema")
        if kind == "PROTOBUF" and not is_descriptor(text):  # it answers with the source unless asked for this
            text = self._ask(f"{path}?format=serialized").get("schema")
            if not isinstance(text, str) or not is_descriptor(text):
                raise UnknownSchema(f"{path} has the source of Protobuf only; expected format=serialized")
        for reference in answer.get("references") or ():
            self._refer(reference, found)
        return RegisteredSchema(kind, text, name, tuple(found.schemas.values()))

    def _refer(self, reference: Mapping[str, Any], found: _Found) -> None:
        try:
            name, subject, version = (reference[key] for key in ("name", "subject", "version"))
            place = str(subject), int(version)
        except (KeyError, TypeError, ValueError):
            raise UnknownSchema("a reference without name, subject or version") from None
        if place in found.schemas:
            return
        if len(found.schemas) >= _MOST_REFERENCES:
            raise UnknownSchema(f"more than {_MOST_REFERENCES} references")
        path = f"/subjects/{quote(place[0], safe='')}/versions/{place[1]}"
        found.schemas[place] = RegisteredSchema("", "")  # a circle ends here
        schema = self._read(path, str(name), found)
        del found.schemas[place]  # so that it comes after those it refers to
        found.schemas[place] = schema

    def _ask(self, path: str) -> dict[str, Any]:
        said = "no address"
        for url in self._urls:
            try:
                return self._get(url + path)
            except RegistryUnreachable as error:
                said = str(error)
        raise RegistryUnreachable(said)

    def _get(self, url: str) -> dict[str, Any]:
        request = Request(url, headers={"Accept": _ACCEPT})
        if self._authorization is not None:
            request.add_unredirected_header("Authorization", self._authorization)
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                body = response.read(_MOST_BYTES + 1)
        except HTTPError as error:
            with error:
                if error.code in (404, 422):
                    raise UnknownSchema(f"{url} is answered {error.code}") from None
                raise RegistryUnreachable(f"{url} is answered {error.code}") from None
        except (OSError, HTTPException) as error:  # URLError and time-outs are OSErrors
            raise RegistryUnreachable(f"{url}: {getattr(error, 'reason', error)}") from None
        try:
            answer = json.loads(body) if len(body) <= _MOST_BYTES else None
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise RegistryUnreachable(f"{url} is answered with no JSON object")
        return answer


def is_descriptor(text: str) -> bool:
    """Whether a schema of Protobuf is a descriptor in base64, and not source."""
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False
