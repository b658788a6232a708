"""The settings of the method `meta_learned_update` alone."""

from __future__ import annotations

from pydantic import Field

from streamlearner.config.settings import Count, Folder, Section


class MetaLearnedUpdateSection(Section):
    """A trained gate that multiplies each gradient before it moves a weight."""

    gate: Folder | None = Field(default=None, examples=["/etc/streamlearner/gate.safetensors"])
    """the file that `streamlearner meta-train` made for this network (with `--each-weight` the network then
    starts with the weights in it); null: an untrained gate, which lets every gradient through as it is"""
    horizon: Count = 50
    """steps after which what the gate remembers begins anew: as many as
    `streamlearner meta-train --horizon`"""
