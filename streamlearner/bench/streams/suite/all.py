"""The whole suite by name."""

from __future__ import annotations

from collections.abc import Mapping

from streamlearner.bench.streams.suite import changes, colour_images, feature_vectors, grey_images
from streamlearner.bench.streams.suite.entry import Entry

SUITE: Mapping[str, Entry] = {
    entry.name: entry
    for family in (grey_images, colour_images, feature_vectors, changes)
    for entry in family.ENTRIES
}
