"""Every sampling that is shipped does what methods rely on."""

from __future__ import annotations

from streamlearner.testing import SamplingConformance

TestReservoir = SamplingConformance.of("reservoir")
TestBalanced = SamplingConformance.of("balanced")
