"""Who may use the port: the settings of serving as serving takes them."""

from __future__ import annotations

import logging
import secrets
from pathlib import Path

from streamlearner.config.loading import Config
from streamlearner.config.serving_settings import is_loopback
from streamlearner.serving import Access, Role, Tls
from streamlearner.serving.tokens import ALL, Tokens, names
from streamlearner.state.durable_files import explained, replace_file

log = logging.getLogger(__name__)

TOKEN = "token"
"""The file of the state folder that `serving.make_token` makes."""


def make_access(config: Config) -> Access:
    section = config.serving
    return Access(
        token=section.token,
        token_files=token_files(config),
        open_roles=[Role(name) for name in section.open_roles],
        allowed_hosts=section.allowed_hosts,
        cors_origins=section.cors_origins,
        requests_per_s=section.max_requests_per_s,
    )


def make_tls(config: Config) -> Tls | None:
    section = config.serving.tls
    if section.certificate is None:
        return None
    return Tls(
        certificate=section.certificate,
        key=section.key,
        key_password=section.key_password,
        client_ca=section.client_ca,
    )


def check_access(config: Config) -> None:
    """Raises `ConfigError` for files of tokens and certificates that cannot be used."""
    make_access(config).guard()
    if tls := make_tls(config):
        tls.context()


def make_token(config: Config) -> None:
    """Makes the token of `serving.make_token`, where it is wanted and not there. Raises `CheckpointError`."""
    path = config.state_dir / TOKEN
    if _own_token(config) and not path.exists():
        with explained("no token could be made", config.state_dir):
            config.state_dir.mkdir(parents=True, exist_ok=True)  # of a replica, which keeps nothing else
            replace_file(path, f"{secrets.token_urlsafe(32)}\n".encode())
        log.info("made a token with all roles: %s", path)


def tell_access(config: Config) -> None:
    """Says what the settings leave open, and what they close to everybody."""
    given, section = Tokens(token=config.serving.token, files=token_files(config)).given, config.serving
    closed = ALL - given - set(section.open_roles) if given else set()
    if closed:
        log.warning(
            "no token has the role %s: nobody has it (serving.token_files, serving.open_roles)", names(closed)
        )
    opened = {Role(name) for name in section.open_roles} if given else ALL
    if opened and not is_loopback(section.host):
        log.warning("whoever reaches %s may %s without a token", section.host, names(opened))


def token_files(config: Config) -> dict[Role, list[Path]]:
    """The files of tokens, by the role that they give."""
    files = config.serving.token_files
    if _own_token(config):
        return {role: [config.state_dir / TOKEN] for role in Role}
    return {
        Role.PREDICT: files.predict,
        Role.TEACH: files.teach,
        Role.READ: files.read,
        Role.OPERATE: files.operate,
    }


def _own_token(config: Config) -> bool:
    section = config.serving
    files = section.token_files
    given = section.token or files.predict or files.teach or files.read or files.operate
    return section.make_token and not given
