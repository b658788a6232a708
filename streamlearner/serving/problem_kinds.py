"""Which problems there are: what `type` and `title` of a problem document (RFC 9457) may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

MEDIA = "application/problem+json"
TYPE = "urn:streamlearner:problem:"
"""What every `type` begins with; the name of a kind follows."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: the status that it has, and a title that never changes."""

    status: int
    title: str


KINDS: Mapping[str, Kind] = {
    "invalid-input": Kind(400, "What was sent is not valid"),
    "token-missing": Kind(401, "A token is needed"),
    "forbidden": Kind(403, "This may not be done"),
    "token-wrong": Kind(403, "The token is not known"),
    "role-missing": Kind(403, "The token does not have the role"),
    "foreign-page": Kind(403, "A page of another site may not do this"),
    "not-found": Kind(404, "There is no such thing"),
    "no-such-path": Kind(404, "There is no such path"),
    "unknown-class": Kind(404, "There is no such class"),
    "unknown-model": Kind(404, "There is no such model, or version of it"),
    "unknown-prediction": Kind(404, "No such prediction waits for a label"),
    "unknown-version": Kind(404, "There is no such model version"),
    "method-not-allowed": Kind(405, "The path does not take this method"),
    "too-slow": Kind(408, "The body came too slowly"),
    "conflict": Kind(409, "Not now, or not with these settings"),
    "label-conflict": Kind(409, "The prediction has another label"),
    "history-not-kept": Kind(409, "No history is kept"),
    "labels-not-kept": Kind(409, "No predictions are kept for labels"),
    "read-only": Kind(409, "A replica only answers"),
    "not-images": Kind(409, "The inputs are no images"),
    "source-not-push": Kind(409, "The source is not push"),
    "prediction-expired": Kind(410, "The prediction waited too long for its label"),
    "too-large": Kind(413, "The body is too large"),
    "media-type": Kind(415, "The content type, or coding, is not read here"),
    "wrong-host": Kind(421, "The daemon does not have this name"),
    "too-many-requests": Kind(429, "Too many requests"),
    "backlog-full": Kind(429, "The backlog of examples is full"),
    "client-left": Kind(499, "The client left"),
    "crash": Kind(500, "An error of the daemon itself"),
    "unavailable": Kind(503, "Not now"),
    "busy": Kind(503, "The daemon did not get to it"),
    "diverged": Kind(503, "The model gives no finite answer"),
    "no-model": Kind(503, "No model answers yet"),
    "not-ready": Kind(503, "The daemon is not ready"),
    "too-many-connections": Kind(503, "Every connection is at work"),
}
"""The first of a status is what a problem of that status is where nothing more is known."""

BY_STATUS: Mapping[int, str] = {kind.status: name for name, kind in reversed(list(KINDS.items()))}


def document(status: int, text: str, *, kind: str | None = None, **more: Any) -> dict[str, Any]:
    """The problem document. `error` says the same as `detail`: clients of before, and those of the Open
    Inference Protocol, read it there. `more` are members of this problem alone."""
    name = kind or BY_STATUS.get(status)
    return {
        "type": f"{TYPE}{name}" if name else "about:blank",
        "title": KINDS[name].title if name else _phrase(status),
        "status": status,
        "detail": text,
        "error": text,
        **more,
    }


def _phrase(status: int) -> str:
    """HTTP's own words, as `about:blank` demands them."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
