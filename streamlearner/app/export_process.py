"""The process that exports a version beside a daemon: `python -m streamlearner.app.export_process`.

The job comes as JSON on stdin, which also ends it: once the daemon is gone, nothing more is written. Reports
go out on stdout, one JSON object a line.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from streamlearner.app.cores import use_threads
from streamlearner.app.exporting import export_learner, restored
from streamlearner.app.publisher import make_publisher
from streamlearner.config.export_settings import ExportSection
from streamlearner.config.given import load_config
from streamlearner.daemon.exports import Report
from streamlearner.errors import StreamlearnerError
from streamlearner.export.card import CARD, Card
from streamlearner.state.disk import LOCAL_DISK
from streamlearner.state.published import Published
from streamlearner.state.versions import Versions

NICER = 10
WORDS = 2_000
"""Characters of why a publisher failed."""


def main() -> None:
    """One job."""
    os.nice(NICER)
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_daemon, daemon=True).start()
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever prints, of torch's or a publisher's, says nothing to the daemon
    try:
        for report in _done(job):
            print(json.dumps(report), file=out, flush=True)
    except (StreamlearnerError, LookupError) as error:
        print(json.dumps({"failed": str(error)}), file=out, flush=True)


def _done(job: dict[str, Any]) -> Generator[Report]:
    use_threads(1)
    published = Published(Path(job["state_dir"]) / "versions")
    section = load_config({"export": job["export"]}).export
    if not job.get("is_exported"):
        yield _exported(job, section, published)
    yield from _publication(section, published.path(job["version"]))


def _exported(job: dict[str, Any], section: ExportSection, published: Published) -> Report:
    started_s, version = time.monotonic(), job["version"]
    learner = restored(Path(job["state_dir"]), config=job["settings"], version=version)
    versions = Versions(published.folder, keep=job["keep_versions"])
    made = export_learner(
        learner, formats=section.formats, version=version, versions=versions,
        method=job["settings"]["method"]["name"],
    )  # fmt: skip
    with LOCAL_DISK.lock(versions.folder / ".exporting"):
        if version not in versions.numbers():
            raise LookupError(f"model version {version} is not kept any more")
        published.add(version, made.files)
    return {"exported": made.card.model_version, "seconds": time.monotonic() - started_s}


def _publication(section: ExportSection, path: Path) -> Generator[Report]:
    try:
        publisher = make_publisher(section)
        if publisher is not None:
            card = Card.from_bytes((path / CARD).read_bytes(), where=str(path / CARD))
            publisher.publish(path, card)
            yield {"published": section.publisher}
    except Exception as error:  # it is someone's code, or a server that does not answer
        yield {"unpublished": f"{section.publisher}: {type(error).__name__}: {error}"[:WORDS]}


def _end_with_the_daemon() -> None:
    sys.stdin.read()
    os._exit(3)


if __name__ == "__main__":
    main()
