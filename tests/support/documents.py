"""What another program that read a document and wrote it again left out of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest


def lost(written: Any, known: Any, path: str = "") -> Iterator[str]:
    """Where `known` lacks or changes what was `written`; an absent key is as good as an empty value."""
    if isinstance(written, dict):
        for name, value in written.items():
            place = f"{path}.{name}".removeprefix(".")
            if isinstance(known, dict) and name in known:
                yield from lost(value, known[name], place)
            elif value not in (None, [], {}, ""):
                yield place
    elif isinstance(written, list) and isinstance(known, list) and len(written) == len(known):
        for one, other in zip(written, known, strict=True):
            yield from lost(one, other, path)
    elif written != known:
        yield path


def lost_by_grafana(board: Mapping[str, Any]) -> set[str]:
    """Of a dashboard, by its published types. Skips where they are not installed."""
    dashboard = pytest.importorskip("grafana_foundation_sdk.models.dashboard")
    plugins = pytest.importorskip("grafana_foundation_sdk.cog.plugins")
    encoder = pytest.importorskip("grafana_foundation_sdk.cog.encoder")
    plugins.register_default_plugins()
    known = json.loads(encoder.JSONEncoder(sort_keys=True).encode(dashboard.Dashboard.from_json(board)))
    return set(lost(board, known))
