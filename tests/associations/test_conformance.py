"""Every association that is shipped keeps the promises of an association."""

from __future__ import annotations

import pytest

from streamlearner.registry.associations import ASSOCIATIONS
from streamlearner.testing import AssociationConformance

IMAGES = [(1, 16, 16), (3, 8, 8)]

TestTransform = AssociationConformance.of("transform", association__code_bits=70)
TestTransformOfAnyLength = AssociationConformance.of("transform", shapes=[(12,)])
TestTrellis = AssociationConformance.of("trellis", association__code_bits=70)
TestThumbnail = AssociationConformance.of("thumbnail", shapes=IMAGES, association__code_bits=70)
TestGumbel = AssociationConformance.of(
    "gumbel", inputs=1500, association__variables=16, association__levels=4, association__learning_rate=0.005
)
TestKarhunenLoeve = AssociationConformance.of(
    "karhunen_loeve", shapes=IMAGES, association__code_bits=70, association__karhunen_loeve__hidden=32
)
TestRaw = AssociationConformance.of("raw")


@pytest.mark.parametrize("name", [part.name for part in ASSOCIATIONS.shipped])
def test_none_is_left_out(name: str) -> None:
    suites = [value for key, value in globals().items() if key.startswith("Test")]
    assert name in {suite.SETTINGS["association.name"] for suite in suites}
