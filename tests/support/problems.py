"""Problem documents as tests read them."""

from __future__ import annotations

from typing import Any

import httpx

TYPE = "urn:streamlearner:problem:"


def problem(answer: httpx.Response) -> tuple[int, str, str]:
    """The status, the kind and the words of an answer that must be a whole problem document (RFC 9457), with
    the words also where clients of before read them."""
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found.keys() >= {"type", "title", "status", "detail", "error"}
    assert found["status"] == answer.status_code
    assert found["error"] == found["detail"]
    assert found["type"].startswith(TYPE)
    assert found["title"]
    return answer.status_code, found["type"].removeprefix(TYPE), found["detail"]
