"""Torch on one thread: results are compared bit for bit, and small layers take longer on two."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


class OneThread:
    """For a suite to extend."""

    @pytest.fixture(autouse=True)
    def one_thread(self) -> Iterator[None]:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)
