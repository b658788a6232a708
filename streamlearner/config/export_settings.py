"""The settings of exported versions."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import pydantic
from pydantic import Field

from streamlearner.config.part_names import OWN, PartName, PartSection, with_sections
from streamlearner.registry.part import Registry
from streamlearner.registry.publishers import PUBLISHERS

NONE = "none"


@with_sections
class ExportSection(PartSection):
    """Each adopted version as files that other programs run: in versions/N under state_dir."""

    registry: ClassVar[Registry] = PUBLISHERS
    chooser: ClassVar[str] = "publisher"

    formats: list[Literal["onnx", "torch"]] = Field(default=[], examples=[["onnx", "torch"]])
    """onnx: model.onnx (with the extra `export`); torch: model.pt2 of torch.export; none: nothing is
    exported. A process of its own writes them, for seconds, with some 400 MB of memory"""
    publisher: Annotated[str, PartName(PUBLISHERS, also=(NONE,))] = Field(
        default=NONE,
        description=f"told of each version once its files are written; {PUBLISHERS.described()}; {OWN}",
    )

    @property
    def is_wanted(self) -> bool:
        """Whether anything is exported at all."""
        return bool(self.formats)

    @pydantic.model_validator(mode="after")
    def _publishes_something(self) -> ExportSection:
        if self.publisher != NONE and not self.formats:
            raise ValueError(f"export.formats to name some, as export.publisher is {self.publisher}")
        return self
