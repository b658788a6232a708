"""A process takes no more cores than it was told to."""

from __future__ import annotations

import subprocess
import sys

ASKS = """
import numpy, torch
from threadpoolctl import ThreadpoolController
from streamlearner.app.cores import use_threads
use_threads({threads})
numpy.linalg.solve(numpy.eye(200), numpy.eye(200))
blas = ThreadpoolController().select(internal_api="openblas").info()
print(torch.get_num_threads(), max((each["num_threads"] for each in blas), default=1))
"""


def test_torch_takes_the_threads_of_the_settings_and_numpy_one() -> None:
    """Two of numpy's wait for each other on cores that somebody else uses, too."""
    for threads in (1, 3):
        asked = [sys.executable, "-c", ASKS.format(threads=threads)]
        told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        assert told.split() == [str(threads), "1"]
