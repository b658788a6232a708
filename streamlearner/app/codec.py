"""The configured codec."""

from __future__ import annotations

from streamlearner.app.parts import make_limits
from streamlearner.config.loading import Config
from streamlearner.decoding.codec import Codec


def make_codec(config: Config) -> Codec:
    return Codec(limits=make_limits(config), orient=config.codec.orientation == "apply")
