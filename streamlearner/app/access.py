"""Who may use the port: the settings of serving as serving takes them."""

from __future__ import annotations

from pathlib import Path

from streamlearner.config.loading import Config
from streamlearner.serving import Role


def token_files(config: Config) -> dict[Role, list[Path]]:
    """The files of tokens, by the role that they give."""
    files = config.serving.token_files
    return {
        Role.PREDICT: files.predict,
        Role.TEACH: files.teach,
        Role.READ: files.read,
        Role.OPERATE: files.operate,
    }
