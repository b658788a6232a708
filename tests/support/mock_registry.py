"""A Schema Registry of our own on a free port: as much of Confluent's as serialisers and readers ask for."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID, uuid5

_NAMESPACE = UUID(int=7)


class MockRegistry:
    """`asked` has the path of each GET. `status` answers everything with that code; None: as it should be."""

    def __init__(self) -> None:
        self.schemas: list[dict[str, Any]] = []  # the id of each is its place, from 1 on
        self.subjects: dict[str, list[int]] = {}
        self.asked: list[str] = []
        self.authorizations: list[str | None] = []
        self.status: int | None = None
        self.serialized: dict[str, str] = {}  # source of Protobuf: its descriptor in base64
        self.url = ""

    def register(self, subject: str, schema: dict[str, Any]) -> int:
        """The id of the schema, which is the same for all subjects."""
        kept = {key: value for key, value in schema.items() if value}
        if kept not in self.schemas:
            self.schemas.append(kept)
        number = self.schemas.index(kept) + 1
        versions = self.subjects.setdefault(subject, [])
        if number not in versions:
            versions.append(number)
        return number

    def guid(self, number: int) -> str:
        return str(uuid5(_NAMESPACE, str(number)))

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if self.status is not None:
            return self.status, {"error_code": self.status, "message": "as the test says"}
        parts = [unquote(part) for part in urlsplit(path).path.strip("/").split("/")]
        serialized = parse_qs(urlsplit(path).query).get("format") == ["serialized"]
        match method, parts:
            case "GET", ["schemas", "ids", number] if 0 < int(number) <= len(self.schemas):
                return 200, self._shown(int(number), serialized)
            case "GET", ["schemas", "guids", guid]:
                for number in range(1, len(self.schemas) + 1):
                    if self.guid(number) == guid:
                        return 200, self._shown(number, serialized)
            case "GET", ["subjects", subject, "versions", version] if subject in self.subjects:
                number = self.subjects[subject][int(version) - 1]
                return 200, self._of_subject(subject, number) | self._shown(number, serialized)
            case "POST", ["subjects", subject, "versions"]:
                return 200, self._of_subject(subject, self.register(subject, body))
            case "POST", ["subjects", subject]:
                return 200, self._of_subject(subject, self.register(subject, body))
        return 404, {"error_code": 40403, "message": "Schema not found"}

    def _of_subject(self, subject: str, number: int) -> dict[str, Any]:
        version = self.subjects[subject].index(number) + 1
        found = {"id": number, "guid": self.guid(number), "subject": subject, "version": version}
        return found | self.schemas[number - 1]

    def _shown(self, number: int, serialized: bool) -> dict[str, Any]:
        schema = self.schemas[number - 1]
        if serialized and schema["schema"] in self.serialized:
            return schema | {"schema": self.serialized[schema["schema"]]}
        return schema


@contextmanager
def mock_registry() -> Iterator[MockRegistry]:
    """One that answers while the block lasts."""
    registry = MockRegistry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry.asked.append(self.path)
            self._answer({})

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: dict[str, Any]) -> None:
            registry.authorizations.append(self.headers.get("Authorization"))
            status, answer = registry.answer(self.command, self.path, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *words: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    registry.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield registry
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
