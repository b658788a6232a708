"""What the bench is handed: daemons of this very code, and data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from connectors.memory import MemorySource
from streamlearner import vision
from streamlearner.app.assembly import build
from streamlearner.bench.workbench import Pictures, Workbench
from streamlearner.codec import encode_raw
from streamlearner.config import load


def workbench(*, data: Path, download: bool = False) -> Workbench:
    """What experiments need: daemons of this very code, and the data sets under `data`, or fetched there."""
    return Workbench(
        build_daemon=lambda settings, source: build(
            load(path=None, settings=settings, environ={}), source=source
        ),
        build_source=MemorySource,
        load_pictures=lambda name, train: _pictures(name, data=data, train=train, download=download),
        encode=encode_raw,
    )


def _pictures(name: str, *, data: Path, train: bool, download: bool) -> Pictures:
    dataset = vision.dataset(name, root=data, train=train, download=download)
    return Pictures(images=np.asarray(dataset.data), labels=[int(label) for label in dataset.targets])
