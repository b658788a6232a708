"""Experiments do what the bench relies on; each is cheap to run on few examples."""

from __future__ import annotations

from streamlearner.testing import ExperimentConformance
from tests.support.tiny_bench import dataset

TestLinearInterference = ExperimentConformance.of("linear-interference")
TestStreams = ExperimentConformance.of("streams", arm="wine-class/statistics")
TestMnistSplit = ExperimentConformance.of("mnist-split", load_dataset=dataset)
