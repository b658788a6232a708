"""Every Prometheus series: name, type, labels and help, from the metric objects."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry

from streamlearner.decoding.codec import REASONS
from streamlearner.telemetry.cluster_series import PREFIX as CLUSTER_PREFIX
from streamlearner.telemetry.cluster_series import SERIES
from streamlearner.telemetry.metrics import Metrics
from tests.support.reference.markdown import code, table

PREFIX = "streamlearner_"


class Recording(CollectorRegistry):
    """A registry that also remembers what was registered, in its order."""

    def __init__(self) -> None:
        super().__init__()
        self.registered: list[Any] = []

    def register(self, collector: Any) -> None:
        self.registered.append(collector)
        super().register(collector)


def page() -> str:
    registry = Recording()
    Metrics(registry, reject_reasons=REASONS)
    rows = [row(each) for each in registry.registered if hasattr(each, "_labelnames")]
    return table((f"series, after `{PREFIX}`", "type", "labels", "what it says"), rows)


def cluster_page() -> str:
    """Those of a cluster."""
    rows = [
        (code(each.name), "gauge", code(each.label) if each.label else "", each.description)
        for each in SERIES
    ]
    return table((f"series, after `{CLUSTER_PREFIX}`", "type", "labels", "what it says"), rows)


def row(collector: Any) -> tuple[str, str, str, str]:
    """`_labelnames` is the library's own: nothing public names the labels of a series without samples."""
    (family,) = collector.describe()
    ending = {"counter": "_total", "info": "_info"}.get(family.type, "")
    return (
        code(family.name.removeprefix(PREFIX) + ending),
        family.type,
        ", ".join(label(collector, name) for name in collector._labelnames),
        family.documentation,
    )


def label(collector: Any, name: str) -> str:
    """The label, with its values where they are known beforehand."""
    (family,) = collector.collect()
    values = dict.fromkeys(sample.labels[name] for sample in family.samples)
    return code(name) + (f": {', '.join(map(code, values))}" if values else "")
