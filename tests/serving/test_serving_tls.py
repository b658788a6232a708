"""TLS on the port: who is let in, what is refused at the start, and files that change while it is open."""

from __future__ import annotations

import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from streamlearner.client import NO_RETRIES, Client
from streamlearner.errors import ConfigError, StreamlearnerError
from streamlearner.serving import Serving, Tls
from tests.serving.conftest import MakeServing
from tests.support.certificates import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.new(tmp_path_factory.mktemp("authority") / "ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.new(tmp_path_factory.mktemp("authority") / "another")


@pytest.fixture
def mutual(make_serving: MakeServing, authority: Authority) -> Serving:
    certificate, key = authority.issue("daemon")
    serving = make_serving(tls=Tls(certificate, key, client_ca=authority.ca), token="secret")
    serving.start()
    return serving


@pytest.fixture
def encrypted(make_serving: MakeServing, authority: Authority) -> Serving:
    serving = make_serving(tls=Tls(*authority.issue("daemon")))
    serving.start()
    return serving


def address(serving: Serving) -> str:
    return "{}://{}:{}".format(serving.scheme, *serving.address)


def asked(serving: Serving, ca: Path, certificate: tuple[Path, Path] | None = None) -> httpx.Client:
    context = ssl.create_default_context(cafile=str(ca))
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return httpx.Client(base_url=address(serving), verify=context, trust_env=False, timeout=10.0)


def test_it_answers_by_tls_to_who_knows_its_authority(encrypted: Serving, authority: Authority) -> None:
    assert address(encrypted).startswith("https://127.0.0.1:")
    with asked(encrypted, authority.ca) as client:
        assert client.get("/livez").json() == {"live": True}
        assert client.get("/livez").headers["cross-origin-resource-policy"] == "same-origin"


def test_who_knows_another_authority_or_speaks_plainly_gets_nothing(
    encrypted: Serving, stranger: Authority
) -> None:
    with (
        asked(encrypted, stranger.ca) as client,
        pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY"),
    ):
        client.get("/livez")
    with pytest.raises(httpx.HTTPError):
        httpx.get(address(encrypted).replace("https", "http") + "/livez", trust_env=False)


def test_old_versions_of_tls_are_refused(encrypted: Serving, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=str(authority.ca))
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with (
        socket.create_connection(encrypted.address, timeout=5.0) as plain,
        pytest.raises((ssl.SSLError, OSError)),
    ):
        context.wrap_socket(plain, server_hostname="localhost")


def test_clients_must_show_a_certificate_of_the_named_authority_and_a_token_as_well(
    mutual: Serving, authority: Authority, stranger: Authority
) -> None:
    own = authority.issue("client")
    with asked(mutual, authority.ca, own) as client:
        assert client.get("/v1/status").status_code == 401
        assert client.get("/v1/status", headers={"authorization": "Bearer secret"}).status_code == 200
    for foreign in (None, stranger.issue("client")):
        with asked(mutual, authority.ca, foreign) as client, pytest.raises(httpx.TransportError):
            client.get("/livez")


def test_the_commands_speak_it(
    mutual: Serving, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = authority.issue("operator")
    with pytest.raises(StreamlearnerError, match=r"does not answer .*CERTIFICATE_VERIFY_FAILED"):
        Client(address(mutual), token="secret", retries=NO_RETRIES).status()
    monkeypatch.setenv("STREAMLEARNER_CA", str(authority.ca))
    monkeypatch.setenv("STREAMLEARNER_CERTIFICATE", str(certificate))
    monkeypatch.setenv("STREAMLEARNER_KEY", str(key))
    assert Client(address(mutual), token="secret", retries=NO_RETRIES).status()["model_version"] == "0.7"
    monkeypatch.setenv("STREAMLEARNER_CERTIFICATE", "/absent")
    with pytest.raises(StreamlearnerError, match="STREAMLEARNER_CERTIFICATE=/absent"):
        Client(address(mutual))


def test_files_that_are_no_certificate_and_key_are_refused_in_words(
    authority: Authority, stranger: Authority, tmp_path: Path
) -> None:
    certificate, key = authority.issue("daemon")
    (tmp_path / "text").write_text("no certificate")
    for tls, words in (
        (
            Tls(tmp_path / "absent"),
            "absent: No such file or directory; expected a PEM certificate and its key",
        ),
        (Tls(tmp_path / "text", key), "text and .*key: .*; expected a PEM certificate"),
        (Tls(certificate, stranger.issue("daemon")[1]), "key values mismatch"),
        (Tls(certificate, key, client_ca=tmp_path / "text"), r"client_ca: .*text: .*; expected a PEM file"),
    ):
        with pytest.raises(ConfigError, match=rf"serving\.tls.*{words}"):
            tls.context()


def test_a_renewed_certificate_is_shown_from_the_next_handshake_on_and_a_broken_one_is_not(
    make_serving: MakeServing, authority: Authority, stranger: Authority, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr("streamlearner.serving.tls.LOOK_EVERY_S", 0.0)
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"

    def put(one: tuple[Path, Path]) -> None:
        for path, place in zip(one, (certificate, key), strict=True):
            shutil.copy(path, tmp_path / "new")
            (tmp_path / "new").replace(place)

    put(authority.issue("daemon"))
    serving = make_serving(tls=Tls(certificate, key))
    serving.start()
    with asked(serving, authority.ca) as open_all_along:
        assert open_all_along.get("/livez").status_code == 200
        put(stranger.issue("daemon"))
        with asked(serving, stranger.ca) as client:
            assert client.get("/livez").status_code == 200
        assert open_all_along.get("/livez").status_code == 200
    certificate.write_text("torn")
    with asked(serving, stranger.ca) as client:
        assert client.get("/livez").status_code == 200
    assert "the certificate stays as it was" in caplog.text


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("streamlearner.serving.listener.HANDSHAKE_TIMEOUT_S", 0.3)
    yield


def test_who_begins_no_handshake_is_not_waited_for(impatient: None, encrypted: Serving) -> None:
    began_s = time.monotonic()
    with socket.create_connection(encrypted.address, timeout=10.0) as silent:
        assert silent.recv(10) == b""
    assert time.monotonic() - began_s < 5.0


def test_grpc_has_the_same_certificate_and_asks_for_the_same_of_its_clients(
    make_serving: MakeServing, authority: Authority
) -> None:
    grpc = pytest.importorskip("grpc", reason="grpcio is missing: pip install 'streamlearner[test]'")
    certificate, key = authority.issue("daemon")
    serving = make_serving(tls=Tls(certificate, key, client_ca=authority.ca), grpc_port=0)
    serving.start()
    assert serving.grpc_address is not None
    target = "{}:{}".format(*serving.grpc_address)
    known = authority.issue("client")
    own = {"private_key": known[1].read_bytes(), "certificate_chain": known[0].read_bytes()}
    for credentials, admitted in (
        (grpc.ssl_channel_credentials(authority.ca.read_bytes(), **own), True),
        (grpc.ssl_channel_credentials(authority.ca.read_bytes()), False),
        (None, False),
    ):
        channel = grpc.secure_channel(target, credentials) if credentials else grpc.insecure_channel(target)
        with channel:
            ready = grpc.channel_ready_future(channel)
            if admitted:
                ready.result(timeout=20)
            else:
                with pytest.raises(grpc.FutureTimeoutError):
                    ready.result(timeout=1)
            ready.cancel()


def test_grpc_takes_no_encrypted_key_and_says_so(make_serving: MakeServing, authority: Authority) -> None:
    pytest.importorskip("grpc", reason="grpcio is missing: pip install 'streamlearner[test]'")
    certificate, key = authority.issue("daemon")
    with pytest.raises(ConfigError, match=r"key_password: gRPC reads no encrypted key"):
        make_serving(tls=Tls(certificate, key, key_password="x"), grpc_port=0)
