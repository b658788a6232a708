"""Every network that is shipped, and two of torchvision's, do what methods rely on."""

from __future__ import annotations

import pytest

from streamlearner.registry.networks import NETWORKS
from streamlearner.testing import NetworkConformance

ANY = [(5,), (1, 8, 8)]
OF_TORCHVISION = [(1, 28, 28), (3, 32, 32)]

TestMlp = NetworkConformance.of("mlp", shapes=ANY)
TestMlpDropout = NetworkConformance.of("mlp_dropout", shapes=ANY)
TestMlpSmall = NetworkConformance.of("mlp_small", shapes=ANY)
TestMlpSmallDropout = NetworkConformance.of("mlp_small_dropout", shapes=ANY)
TestLenet = NetworkConformance.of("lenet", shapes=[(1, 16, 20), (3, 28, 28)])
TestResnet = NetworkConformance.of("resnet18_reduced", shapes=[(3, 9, 9), (3, 16, 16)])
TestMobilenet = NetworkConformance.of("mobilenet_v3_small", shapes=OF_TORCHVISION)  # has dropout
TestShufflenet = NetworkConformance.of("shufflenet_v2_x0_5", shapes=OF_TORCHVISION)  # has none


@pytest.mark.parametrize("name", [part.name for part in NETWORKS.shipped])
def test_none_is_left_out(name: str) -> None:
    suites = [value for key, value in globals().items() if key.startswith("Test")]
    assert name in {suite.SETTINGS["network.name"] for suite in suites}
