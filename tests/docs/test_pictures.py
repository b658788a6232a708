"""The pictures of retention per bit can be drawn anew from the committed results."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import pictures


@pytest.mark.parametrize("experiment", ["mnist-split", "cifar100-incremental"])
def test_retention_per_bit_is_drawn_from_the_results(experiment: str, tmp_path: Path) -> None:
    path = tmp_path / "retention.png"
    pictures.retention(experiment, "A stream", path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 10_000
