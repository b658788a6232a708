"""The configured publisher of exported versions."""

from __future__ import annotations

from streamlearner.config.export_settings import NONE, ExportSection
from streamlearner.export.publisher import Publisher
from streamlearner.registry.publishers import PUBLISHERS


def make_publisher(section: ExportSection) -> Publisher | None:
    """The configured one, if any. Raises `ConfigError`."""
    if section.publisher == NONE:
        return None
    kind: type[Publisher] = PUBLISHERS.find(section.publisher).load()
    return kind.build(section.settings_of())
