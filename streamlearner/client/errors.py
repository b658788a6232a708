"""What a client raises: the daemon's problem documents, and that no daemon answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from streamlearner.errors import StreamlearnerError

TYPE = "urn:streamlearner:problem:"
TOKEN_HINT = "; give a token of the daemon (serving.token_files) by --token or STREAMLEARNER_TOKEN"


class NoDaemon(StreamlearnerError):
    """Nothing answers at the address. `was_sent`: the request may have arrived before that."""

    def __init__(self, text: str, *, was_sent: bool) -> None:
        super().__init__(text)
        self.was_sent = was_sent


class NotADaemon(StreamlearnerError):
    """Something answers at the address, but as no daemon would."""


class Refused(StreamlearnerError):
    """The daemon answered with an error: a problem document (RFC 9457).

    `status` is HTTP's; `kind` names the problem for programs, such as "backlog-full" (reference/http.md has
    all; "" of a daemon that does not say); `detail` are the daemon's words; `reason` says of invalid input
    why; `instance` is what the daemon's log calls a crash; `retry_after_s` is its advice; `document` is the
    whole answer.
    """

    def __init__(
        self,
        text: str,
        *,
        status: int,
        retry_after_s: float | None = None,
        document: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after_s = retry_after_s
        self.document = dict(document or {})
        self.kind = str(self.document.get("type", "")).removeprefix(TYPE)
        self.title = str(self.document.get("title", ""))
        self.detail = str(self.document.get("detail", self.document.get("error", "")))
        self.reason: str | None = self.document.get("reason")
        self.instance: str | None = self.document.get("instance")


class Invalid(Refused):
    """400, 413, 415: what was sent is not valid; sent again it will not be either."""


class NotAllowed(Refused):
    """401, 403: the token is missing, not known, or without the role."""


class NotFound(Refused):
    """404, 410: no such path, class, version or prediction, or not any more."""


class NotNow(Refused):
    """409: it does not fit the daemon's state or settings."""


class Busy(Refused):
    """429: too many requests, or examples that wait; nothing of this one was done."""


class NotReady(Refused):
    """503: no model yet, or the daemon cannot do it now."""


class Crashed(Refused):
    """500: an error of the daemon itself, whose log names `instance`."""


_KINDS: Mapping[int, type[Refused]] = {
    400: Invalid, 401: NotAllowed, 403: NotAllowed, 404: NotFound, 409: NotNow, 410: NotFound, 413: Invalid,
    415: Invalid, 429: Busy, 500: Crashed, 503: NotReady,
}  # fmt: skip


def refused(
    url: str, *, status: int, headers: Mapping[str, str], document: object, text: str, now: datetime
) -> Refused:
    """The error of an answer; `document` is its JSON, None where it is none, `text` its body."""
    found = document if isinstance(document, dict) and ("detail" in document or "error" in document) else {}
    words = str(found.get("detail", found.get("error", text[:200])))
    hint = TOKEN_HINT if status in (401, 403) else ""
    return _KINDS.get(status, Refused)(
        f"{url} answered {status}: {words}{hint}",
        status=status,
        retry_after_s=retry_after_s(headers.get("retry-after", ""), now=now),
        document=found,
    )


def retry_after_s(header: str, *, now: datetime) -> float | None:
    """The seconds that Retry-After means, a number or a date; None for none."""
    header = header.strip()
    if header.isascii() and header.isdecimal():
        return float(header[:12])
    try:
        date = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    return max(0.0, ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds())
