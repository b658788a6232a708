"""Experiments do what the bench relies on; each is cheap to run on few examples."""

from __future__ import annotations

from streamlearner.testing import ExperimentConformance
from tests.support.tiny_bench import dataset

TestLinearInterference = ExperimentConformance.of("linear-interference")
TestStreams = ExperimentConformance.of("streams", arm="wine-class/statistics")
TestMnistSplit = ExperimentConformance.of("mnist-split", load_dataset=dataset)
TestThroughput = ExperimentConformance.of(
    "throughput", arm="mlp", timed=("ratio_to_bare", "ratio_to_observe", "ratio_to_er_ace")
)
TestBehind = ExperimentConformance.of(
    "throughput", arm="mlp_behind", timed=("ratio_of_auto_to_ten", "ratio_of_thin_to_ten")
)
TestBehindAccuracy = ExperimentConformance.of(
    "throughput", arm="behind_accuracy", load_dataset=dataset, timed=("ratio_of_auto_to_ten",)
)
TestIngest = ExperimentConformance.of("ingest", arm="rows", timed=("ratio_to_memory",))
TestStart = ExperimentConformance.of("start", arm="help", timed=("help_cpu_s",))
