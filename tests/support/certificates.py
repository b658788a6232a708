"""An authority and its certificates for 127.0.0.1, made by openssl."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Authority:
    """Keeps everything in `folder`; `ca` is the file to trust."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    @classmethod
    def new(cls, folder: Path) -> Authority:
        if shutil.which("openssl") is None:
            pytest.skip("openssl is missing: apt-get install openssl")
        folder.mkdir()
        _openssl(
            folder,
            "req",
            "-x509",
            *_KEY,
            "-keyout",
            "ca.key",
            "-out",
            "ca.crt",
            "-days",
            "3650",
            "-subj",
            "/CN=tests",
        )
        return cls(folder)

    def issue(self, name: str) -> tuple[Path, Path]:
        """A certificate and its key."""
        crt, key, asked = f"{name}.crt", f"{name}.key", f"{name}.csr"
        _openssl(self.folder, "req", *_KEY, "-keyout", key, "-out", asked, "-subj", f"/CN={name}")
        (self.folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost")
        signed = (
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "3650",
            "-extfile",
            "names",
        )
        _openssl(self.folder, "x509", "-req", "-in", asked, "-out", crt, *signed)
        return self.folder / crt, self.folder / key


_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)
