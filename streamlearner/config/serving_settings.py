"""The settings of the port: where it is, who may use it, how much of it."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from streamlearner.registry.section import Count, Files, Folder, OptionError, Secret, Section, listed

RoleNames = Annotated[list[Literal["predict", "teach", "read", "operate"]], BeforeValidator(listed)]


def _host_names(names: list[str]) -> list[str]:
    wrong = next((name for name in names if not _is_host_name(name)), None)
    if wrong is not None:
        raise ValueError(f"names of hosts, without scheme and port, such as streamlearner; {wrong!r} is none")
    return names


def _is_host_name(name: str) -> bool:
    try:
        return bool(re.fullmatch(r"\*|(\*\.)?[\w.-]+", name) or ip_address(name.strip("[]")))
    except ValueError:
        return False


def _origins(origins: list[str]) -> list[str]:
    wrong = next((one for one in origins if not re.fullmatch(r"https?://[^/?#\s*]+", one)), None)
    if wrong is not None:
        raise ValueError(f"origins such as https://labels.example.org, without a path; {wrong!r} is none")
    return origins


HostNames = Annotated[list[str], BeforeValidator(listed), AfterValidator(_host_names)]
Origins = Annotated[list[str], BeforeValidator(listed), AfterValidator(_origins)]


class TokenFilesSection(Section):
    """Files of tokens, one in each line, by the role that they give; read again when they change. One token
    may stand in several. Once there is any, a role without is closed, unless `serving.open_roles` has it."""

    predict: Files = Field(default_factory=list, examples=["/run/secrets/predict"])
    """to ask for predictions"""
    teach: Files = Field(default_factory=list, examples=["/run/secrets/teach"])
    """to push examples"""
    read: Files = Field(default_factory=list, examples=["/run/secrets/read"])
    """to read status, retention, memory, recollections and metrics"""
    operate: Files = Field(default_factory=list, examples=["/run/secrets/operate"])
    """to ask for a sleep, a checkpoint, a rollback or a transplant"""


class TlsSection(Section):
    """PEM files, read again when they change. Without a certificate the port speaks plain HTTP."""

    certificate: Folder | None = Field(default=None, examples=["/run/secrets/tls.crt"])
    """the daemon's, with those between it and its authority"""
    key: Folder | None = Field(default=None, examples=["/run/secrets/tls.key"])
    """its private key; null: in the same file"""
    key_password: Secret | None = Field(default=None, examples=[{"file": "/run/secrets/tls.password"}])
    """of an encrypted key, as text or {file: path}"""
    client_ca: Folder | None = Field(default=None, examples=["/run/secrets/clients.crt"])
    """authorities of clients: then each must show a certificate of one (mutual TLS), beside its token"""

    @model_validator(mode="after")
    def _with_a_certificate(self) -> TlsSection:
        if self.certificate is None and (self.key or self.key_password or self.client_ca):
            raise ValueError("serving.tls.certificate beside the other files")
        return self


class ServingSection(Section):
    """The one port for predictions, admin, metrics and dashboard."""

    host: str = Field(default="127.0.0.1", min_length=1)
    """address to listen on; 0.0.0.0 for all, and no other than loopback without tokens for teach and operate.
    Others may read along unless there is `tls`, here or in a proxy before it"""
    port: int = Field(default=8080, ge=0, le=65535)
    """0 picks a free one, for tests"""
    token: Secret | None = Field(default=None, examples=[{"file": "/run/secrets/streamlearner"}])
    """one bearer token with all roles, as text or {file: path}; null: those of token_files, if any"""
    token_files: TokenFilesSection = Field(default_factory=TokenFilesSection)
    open_roles: RoleNames = Field(default_factory=list, examples=[["predict", "read"]])
    """roles that need no token though there are some: predict, teach, read, operate"""
    allowed_hosts: HostNames = Field(default_factory=list, examples=[["streamlearner", "*.example.org"]])
    """names by which clients may call the daemon, beside localhost and the address that it is bound to (to
    all: any); * for any. Others are answered 421: a page may have made a name of its own lead here"""
    cors_origins: Origins = Field(default_factory=list, examples=[["https://labels.example.org"]])
    """sites whose pages may use the daemon from a browser, as scheme://host:port; other pages may not"""
    make_token: bool = False
    """where no token is set: make one with all roles at the first start, in STATE_DIR/token, and keep it"""
    grpc_port: int | None = Field(default=None, ge=0, le=65535, examples=[8081])
    """for the Open Inference Protocol over gRPC, on the same host (needs the extra `grpc`); null: off"""
    model_name: str = Field(default="streamlearner", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    """what clients of the Open Inference Protocol call the model: /v2/models/NAME"""
    tls: TlsSection = Field(default_factory=TlsSection)
    refresh_every_examples: Count = 200
    """learned examples between fresh copies for predictions: fresher answers against time spent on copying"""
    max_body_bytes: Count = 32 * 2**20
    """larger request bodies are answered 413; 32 MiB"""
    max_batch: Count = 1_024
    """inputs or examples in one request"""
    max_connections: Count = 512
    """at a time, or half of what `ulimit -n` leaves; then the longest idle one makes room. As many, or a
    quarter of that, beside them over gRPC; there the newest is refused"""
    max_connections_per_client: Count = 256
    """the same of one client's address (IPv6: one /64), so that none takes them all; a proxy is one client.
    As many beside them over gRPC; there its newest are ended"""
    gateway: bool = True
    """a second process reads and answers for connections that ask one prediction after the other, so that
    this costs learning less; it starts with the first such connection (on Linux; not with tls)"""
    max_requests_per_s: Annotated[float, Field(gt=0)] | None = Field(default=None, examples=[100.0])
    """requests of one client address in a second, health aside; more are answered 429; null: any number"""

    @model_validator(mode="after")
    def _closed_to_strangers(self) -> ServingSection:
        """What others on the network can reach lets nobody change what is learned, unless told so."""
        missing = [role for role in ("teach", "operate") if not self._has_token(role)]
        missing = [role for role in missing if role not in self.open_roles]
        if missing and not is_loopback(self.host):
            closed, opened = f"a token for {' and for '.join(missing)}", ", ".join(missing)
            text = f"{closed} (serving.token_files), as {self.host} can be reached from other machines"
            unless = f"or serving.open_roles: [{opened}], where all who reach it may change what is learned"
            raise OptionError("host", f"{text}; {unless}; or 127.0.0.1")
        return self

    def _has_token(self, role: str) -> bool:
        return self.token is not None or self.make_token or bool(getattr(self.token_files, role))


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach what is bound to it."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
