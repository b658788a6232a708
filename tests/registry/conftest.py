"""Plug-ins for one test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.plug_ins import SitePackages, forget


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SitePackages]:
    folder = tmp_path / "site"
    folder.mkdir()
    with monkeypatch.context() as patched:
        yield SitePackages(folder, patched)
    forget()
