"""Which kind of store `cluster.store` names."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from streamlearner.cluster.store import Store


def store_at(where: str | Path) -> Store:
    """A folder, by path or by `file://`, or a URL of an object store. Raises ConfigError for one that cannot
    be had."""
    parts = urlsplit(str(where))
    if parts.scheme == "file":
        return Store(Path(unquote(parts.path)))
    if "://" not in str(where):
        return Store(Path(where))
    from streamlearner.cluster.object_store import ObjectStore  # fsspec is needed for nothing else here

    return ObjectStore(str(where))
