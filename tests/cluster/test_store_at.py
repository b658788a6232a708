"""Which stores there are, and what S3 answers where two make one object."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from streamlearner.cluster.store_at import store_at
from streamlearner.config.loading import load
from streamlearner.errors import ConfigError


def test_a_request_that_was_sent_again_is_not_taken_for_anothers(monkeypatch: pytest.MonkeyPatch) -> None:
    store: Any = store_at(f"memory://{uuid.uuid4().hex}")
    pipe = store._files.pipe_file

    def twice(path: str, data: bytes, **options: Any) -> None:
        pipe(path, data)
        if options:
            raise FileExistsError(path)

    monkeypatch.setattr(store._files, "pipe_file", twice)
    assert store.create("claims/000001.json", {"holder": "learner-0"})
    assert store.read("claims/000001.json") == {"holder": "learner-0"}


def answered(code: str) -> OSError:
    """As s3fs has it."""
    error, cause = OSError(22, "not now"), RuntimeError()
    cause.response = {"Error": {"Code": code}}  # type: ignore[attr-defined]
    error.__cause__ = cause
    return error


def test_a_conflict_is_tried_again_and_a_condition_that_is_not_named_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store: Any = store_at(f"memory://{uuid.uuid4().hex}")
    pipe, answers = store._files.pipe_file, ["ConditionalRequestConflict", "ConditionalRequestConflict"]

    def at_first_refused(path: str, data: bytes, **options: Any) -> None:
        if answers:
            raise answered(answers.pop())
        pipe(path, data, **options)

    monkeypatch.setattr(store._files, "pipe_file", at_first_refused)
    assert store.create("a", {"n": 1}) and answers == []
    answers.append("PreconditionFailed")
    assert not store.create("a", {"n": 2}) and store.read("a") == {"n": 1}
    answers.append("AccessDenied")
    with pytest.raises(OSError, match="not now"):
        store.create("b", {})


@pytest.mark.parametrize("where", ["gs://bucket/store", "http://somewhere/store", "nothing://x"])
def test_a_store_in_which_two_could_make_one_object_is_refused(where: str) -> None:
    with pytest.raises(ConfigError, match="it is not known that one object can be made once"):
        store_at(where)


@pytest.mark.parametrize(("given", "kept"), [("s3://b/c", "s3://b/c"), ("a/b", "a/b"), (Path("a"), "a")])
def test_the_setting_takes_a_folder_or_a_url(given: Any, kept: str) -> None:
    config = load(path=None, settings={"cluster.store": given}, environ={})
    assert config.cluster.store == kept


def test_a_folder_needs_neither_fsspec_nor_ray(tmp_path: Path) -> None:
    asked = (
        "import json, sys; from streamlearner.cluster.store_at import store_at; "
        f"store_at({str(tmp_path)!r}).create('a', {{}}); "
        "print(json.dumps([name for name in ('fsspec', 's3fs', 'ray') if name in sys.modules]))"
    )
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert json.loads(told.stdout) == []
