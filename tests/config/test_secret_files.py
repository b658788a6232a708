"""Secrets in files, `{file: path}`: from wherever they are set, and who is to blame for a missing one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamlearner.config.loading import load
from streamlearner.errors import ConfigError

PASSWORD = "source.kafka.client.sasl_plain_password"
VARIABLE = "STREAMLEARNER_SOURCE__KAFKA__CLIENT__SASL_PLAIN_PASSWORD"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("hunter2\n")
    return tmp_path / "secret"


def loaded(tmp_path: Path, *, yaml: str = "", environ: dict[str, str] | None = None, **flags: Any) -> Any:
    (tmp_path / "config.yaml").write_text(yaml)
    return load(path=tmp_path / "config.yaml", environ=environ or {}, settings=flags)


@pytest.mark.parametrize("form", ["{file: PATH}", '{"file": "PATH"}', "{ file: 'PATH' }"])
def test_the_form_works_from_flags_and_the_environment(tmp_path: Path, secret: Path, form: str) -> None:
    form = form.replace("PATH", str(secret))
    by_flag = loaded(tmp_path, **{"serving.token": form, PASSWORD: form})
    by_environment = loaded(tmp_path, environ={"STREAMLEARNER_SERVING__TOKEN": form, VARIABLE: form})
    for config in (by_flag, by_environment):
        assert config.serving.token == "hunter2"
        kafka = config.source.settings_of("kafka")
        assert kafka.client_options() == {"sasl_plain_password": "hunter2"}


@pytest.mark.parametrize("text", ["{hunter2}", "{file}", "{file: a, b: c}", "file: x", "[1]"])
def test_a_secret_that_only_looks_like_it_stays_a_text(tmp_path: Path, text: str) -> None:
    assert loaded(tmp_path, **{"serving.token": text}).serving.token == text


@pytest.mark.parametrize(
    ("yaml", "environ", "flags", "blamed"),
    [
        ("{file: /absent}", {}, {}, "config.yaml:5: "),
        ("{file: /there}", {VARIABLE: "{file: /absent}"}, {}, f"environment {VARIABLE}"),
        ("plain", {f"{VARIABLE}__FILE": "/absent"}, {}, f"environment {VARIABLE}__FILE"),
        ("{file: /there}", {VARIABLE: "x"}, {PASSWORD: "{file: /absent}"}, f"--set {PASSWORD}"),
    ],
)
def test_a_file_that_is_not_there_is_blamed_on_the_place_that_set_it(
    tmp_path: Path, yaml: str, environ: dict[str, str], flags: dict[str, str], blamed: str
) -> None:
    text = (
        "source:\n  kafka:\n    client:\n      ssl_check_hostname: true\n      sasl_plain_password: " + yaml
    )
    with pytest.raises(
        ConfigError, match=r"sasl_plain_password to be a secret in a readable file; /abs"
    ) as said:
        loaded(tmp_path, yaml=text, environ=environ, **flags)
    assert blamed in str(said.value).split(": expected")[0] + ": "
