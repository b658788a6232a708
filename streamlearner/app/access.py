"""Who may use the port: the settings of serving as serving takes them."""

from __future__ import annotations

from pathlib import Path

from streamlearner.config.loading import Config
from streamlearner.serving import Access, Role


def make_access(config: Config) -> Access:
    section = config.serving
    return Access(
        token=section.token,
        token_files=token_files(config),
        open_roles=[Role(name) for name in section.open_roles],
        allowed_hosts=section.allowed_hosts,
        cors_origins=section.cors_origins,
    )


def token_files(config: Config) -> dict[Role, list[Path]]:
    """The files of tokens, by the role that they give."""
    files = config.serving.token_files
    return {
        Role.PREDICT: files.predict,
        Role.TEACH: files.teach,
        Role.READ: files.read,
        Role.OPERATE: files.operate,
    }
