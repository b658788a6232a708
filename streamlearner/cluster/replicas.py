"""Replicas, by Ray Serve: what answers in each, how many there are, and all of it as an application that Ray
Serve deploys by its import path."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamlearner.app.cluster_replica import Replica
from streamlearner.app.cluster_setup import Setup, open_config, setup_of_replicas
from streamlearner.cluster.layout import PREFIXES, REPLICAS
from streamlearner.cluster.store_at import store_at
from streamlearner.cluster.versions import PublishedVersions

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
NAME = "streamlearner"


def replica_application(setup: Setup) -> Any:
    """What Ray Serve asks in a replica's process. A thread follows the published versions; the newest one
    answers before this returns, as Ray Serve sends requests from then on."""
    store, name = store_at(setup.store), f"{socket.gethostname()}-{os.getpid()}"
    versions = PublishedVersions(store)
    replica = Replica(
        open_config(setup),
        register=lambda prefix: store.replace(f"{PREFIXES}/{prefix}.json", {"name": name}),
        is_known=lambda prefix: prefix.isalnum() and store.read(f"{PREFIXES}/{prefix}.json") is not None,
    )

    def look() -> None:
        try:
            replica.look(versions.newest, versions.folder)
            told = {"name": name, "version": replica.version, "at_s": time.time()}
            store.replace(f"{REPLICAS}/{name}.json", told)
        except Exception:  # it answers with the version that it has
            log.exception("a published version could not be followed")

    def follow() -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            look()

    look()
    threading.Thread(target=follow, name="versions", daemon=True).start()
    return replica.application


def answering(setup: Setup) -> Any:
    """As Ray Serve runs it: so many replicas, each with what it takes."""
    from ray import serve

    def make() -> Any:  # a function: Serve takes anything else for the application itself
        return replica_application(setup)

    deployment: Any = serve.deployment(serve.ingress(make)())
    placed = deployment.options(
        name="replica", ray_actor_options=setup.replica.options(), **setup.replicas.options()
    )
    return placed.bind()


def application(args: Mapping[str, str]) -> Any:
    """The replicas alone, for an import path of Ray Serve (KubeRay's RayService): `config` is the path of the
    configuration on each node. Learners and the consolidator run elsewhere, on the same store."""
    return answering(setup_of_replicas(Path(args["config"])))
