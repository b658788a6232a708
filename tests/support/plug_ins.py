"""Distributions as pip leaves them, in a folder that is on the path for one test."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from streamlearner.registry.associations import ASSOCIATIONS
from streamlearner.registry.dead_letters import DEAD_LETTERS
from streamlearner.registry.methods import METHODS
from streamlearner.registry.networks import NETWORKS
from streamlearner.registry.sampling import SAMPLING
from streamlearner.registry.sources import SOURCES

REGISTRIES = (METHODS, ASSOCIATIONS, NETWORKS, SOURCES, SAMPLING, DEAD_LETTERS)


class SitePackages:
    """A folder of installed distributions."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.syspath_prepend(str(folder))
        forget()

    def install(self, name: str, *, entry_points: dict[str, dict[str, str]], **modules: str) -> None:
        """A distribution with entry points {group: {name: target}} and modules by name."""
        info = self.folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = [
            line
            for group, parts in entry_points.items()
            for line in (f"[{group}]", *(f"{part} = {target}" for part, target in parts.items()))
        ]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        self.write(**modules)
        forget()

    def write(self, **modules: str) -> None:
        for module, text in modules.items():
            (self.folder / f"{module}.py").write_text(textwrap.dedent(text))
            sys.modules.pop(module, None)


def forget() -> None:
    """What the registries found installed before."""
    for registry in REGISTRIES:
        registry.__dict__.pop("installed", None)
