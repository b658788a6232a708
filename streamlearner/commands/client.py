"""A small HTTP client of the daemon, for the command line and the demo."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from streamlearner.errors import StreamlearnerError

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"}
INPUTS_PER_REQUEST = 100
"""Of photographs of 100 KB about 13 MB in base64, under the daemon's default limit of 32 MiB."""
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Refused(StreamlearnerError):
    """The daemon answered, but with an error. `status` is HTTP's, `retry_after_s` its advice."""

    def __init__(self, text: str, *, status: int, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after_s = retry_after_s


class Client:
    """Speaks to the daemon at `address` (http://host:port, https://host:port, or host:port).

    By TLS it trusts the system's authorities, or those in the file STREAMLEARNER_CA; to a daemon that asks
    for one it shows the certificate in STREAMLEARNER_CERTIFICATE, with its key in STREAMLEARNER_KEY.

    Raises `Refused` with the daemon's own words, StreamlearnerError where no daemon answers.
    """

    def __init__(self, address: str, *, token: str | None = None, timeout_s: float = 30.0) -> None:
        self.address = _checked(address)
        self.token = token
        self.timeout_s = timeout_s
        self._context = _context(os.environ) if self.address.startswith("https:") else None
        local = urlsplit(self.address).hostname in _LOOPBACK  # a proxy has another idea of localhost
        proxies = urllib.request.ProxyHandler({}) if local else urllib.request.ProxyHandler()
        self._opener = urllib.request.build_opener(
            proxies, urllib.request.HTTPSHandler(context=self._context)
        )

    def get(self, path: str) -> Any:
        """The JSON at `path`."""
        return self._send(urllib.request.Request(self.address + path, headers=self._authorization()))

    def post(self, path: str, body: Any) -> Any:
        """The JSON that answers `body`."""
        headers = {"content-type": "application/json"} | self._authorization()
        data = json.dumps(body).encode()
        return self._send(urllib.request.Request(self.address + path, data=data, headers=headers))

    def delete(self, path: str, body: Any = None) -> Any:
        """The JSON that answers; `body` goes along, where there is one."""
        headers = {"content-type": "application/json"} | self._authorization()
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, headers, method="DELETE")
        return self._send(request)

    def predict_files(self, files: Sequence[Path], *, task: str | None = None) -> dict[str, Any]:
        """Predictions, in order, for image files, or JSON files that hold one input each."""
        more = {} if task is None else {"task": task}
        answer: dict[str, Any] = {"predictions": []}
        for start in range(0, len(files), INPUTS_PER_REQUEST):
            inputs = [read_input(file) for file in files[start : start + INPUTS_PER_REQUEST]]
            found = self.post("/v1/predict", {"inputs": inputs} | more)
            answer = found | {"predictions": answer["predictions"] + found["predictions"]}
        return answer

    def _authorization(self) -> dict[str, str]:
        """The token goes with every request, where there is one. http.client writes headers in Latin-1."""
        if not self.token:
            return {}
        return {"authorization": f"Bearer {self.token}".encode().decode("latin-1")}

    def _send(self, request: urllib.request.Request) -> Any:
        try:
            with self._opener.open(request, timeout=self.timeout_s) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise _refusal(request.full_url, error) from None
        except ValueError:
            raise StreamlearnerError(
                f"{request.full_url} answers, but not in JSON: is --address that of a streamlearner daemon?"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError | socket.timeout):
                reason = f"nothing within {self.timeout_s:g} s"
            raise StreamlearnerError(
                f"{self.address} does not answer ({reason}): is the daemon running there? "
                "Another place is named by --address or STREAMLEARNER_ADDRESS"
            ) from None


def _context(environ: Mapping[str, str]) -> ssl.SSLContext:
    named = {name: environ.get(f"STREAMLEARNER_{name}") for name in ("CA", "CERTIFICATE", "KEY")}
    try:
        context = ssl.create_default_context(cafile=named["CA"])
        if named["CERTIFICATE"]:
            context.load_cert_chain(named["CERTIFICATE"], named["KEY"])
    except OSError as error:
        files = ", ".join(f"STREAMLEARNER_{name}={path}" for name, path in named.items() if path)
        raise StreamlearnerError(f"{files}: {error.strerror or error}; expected PEM files") from None
    return context


def read_input(file: Path) -> Any:
    """One input as a request takes it: an image file in base64, or what a JSON file holds."""
    try:
        if file.suffix.lower() in IMAGE_SUFFIXES:
            return {"image": base64.b64encode(file.read_bytes()).decode()}
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise StreamlearnerError(f"{file}: cannot be read ({error.strerror})") from None
    except ValueError:
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        raise StreamlearnerError(
            f"{file}: expected an image ({kinds}) or JSON that holds one input, such as a nested list"
        ) from None


def _checked(address: str) -> str:
    whole = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(whole)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number
        good = False
    if not good:
        raise StreamlearnerError(
            f"--address {address}: expected http://host:port, for example http://127.0.0.1:8080"
        )
    return whole.rstrip("/")


def _refusal(url: str, error: urllib.error.HTTPError) -> Refused:
    body = error.read().decode(errors="replace")
    try:
        text = str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        text = body[:200] or error.reason
    if error.code in (401, 403):
        text += "; give a token of the daemon (serving.token_files) by --token or STREAMLEARNER_TOKEN"
    wait = error.headers.get("Retry-After", "")
    retry_after_s = float(wait) if wait.isdecimal() else None
    return Refused(f"{url} answered {error.code}: {text}", status=error.code, retry_after_s=retry_after_s)
