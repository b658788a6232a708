"""A small HTTP client of the daemon, for the command line and the demo."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamlearner.errors import StreamlearnerError

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}


class Client:
    """Speaks to the daemon at `address` (http://host:port). Raises StreamlearnerError with the daemon's own words."""

    def __init__(self, address: str, *, token: str | None = None, timeout_s: float = 30.0) -> None:
        self.address = address.rstrip("/")
        self.token = token
        self.timeout_s = timeout_s

    def get(self, path: str) -> Any:
        return self._send(urllib.request.Request(self.address + path))

    def post(self, path: str, body: Any) -> Any:
        headers = {"content-type": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(self.address + path, data=json.dumps(body).encode(), headers=headers)
        return self._send(request)

    def predict_files(self, files: Sequence[Path], *, task: str | None = None) -> Any:
        """Predictions for image files, or JSON files that hold one input each."""
        body: dict[str, Any] = {"inputs": [_input(file) for file in files]}
        return self.post("/v1/predict", body | ({"task": task} if task is not None else {}))

    def _send(self, request: urllib.request.Request) -> Any:
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_s) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            try:
                text = json.loads(text)["error"]
            except (ValueError, KeyError, TypeError):
                pass
            raise StreamlearnerError(f"{request.full_url} answered {error.code}: {text}") from None
        except OSError as error:
            raise StreamlearnerError(
                f"{self.address} does not answer ({error}): is the daemon running, and is --address right?"
            ) from None


def _input(file: Path) -> Any:
    if file.suffix.lower() in IMAGE_SUFFIXES:
        return {"image": base64.b64encode(file.read_bytes()).decode()}
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StreamlearnerError(f"{file}: neither an image ({', '.join(sorted(IMAGE_SUFFIXES))}) nor JSON: {error}") from None
