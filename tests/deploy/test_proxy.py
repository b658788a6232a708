"""nginx itself accepts the proxy's configuration, and it agrees with the daemon's limits."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from streamlearner.config.loading import Config

CONFIGURATION = Path(__file__).resolve().parents[2] / "deploy" / "proxy" / "nginx.conf"


def certificate(folder: Path) -> None:
    """A key and a certificate that it signs itself."""
    words = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=learner.example.org"
    )
    files = ["-keyout", folder / "tls.key", "-out", folder / "tls.crt"]
    subprocess.run(["openssl", *words.split(), *files], check=True, capture_output=True, timeout=60)


def test_nginx_accepts_it_and_would_not_accept_a_slip(tmp_path: Path) -> None:
    binary = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if binary is None or shutil.which("openssl") is None:
        pytest.skip("nginx is not installed (Debian: apt-get install nginx-core)")
    certificate(tmp_path)
    text = CONFIGURATION.read_text().replace("/etc/nginx/tls", str(tmp_path))
    for given, accepted in ((text, True), (text.replace("proxy_pass", "proxy_pas", 1), False)):
        path = tmp_path / "nginx.conf"
        path.write_text(f"pid {tmp_path}/nginx.pid; error_log stderr;\n{given}")
        checked = subprocess.run(
            [binary, "-t", "-p", tmp_path, "-c", path], capture_output=True, text=True, timeout=60
        )
        assert ("test is successful" in checked.stderr) == accepted, checked.stderr


def test_bodies_may_be_as_large_as_the_daemon_allows() -> None:
    largest = Config().serving.max_body_bytes
    assert f"client_max_body_size {largest // 2**20}m;" in CONFIGURATION.read_text()
