"""How many connections one client has to the port for gRPC: grpcio bounds those of all clients together."""

from __future__ import annotations

import os
import socket
import threading
from collections import Counter

from streamlearner.serving.clients import client_of

EVERY_S = 1.0
"""Between two looks at the process's sockets, of which 500 take 2 ms."""
DESCRIPTORS = next((place for place in ("/proc/self/fd", "/dev/fd") if os.path.isdir(place)), None)


class Crowds:
    """Ends connections to `port` of each client that has more than `per_client`, its newest first.

    grpcio gives no handle on a connection, but its sockets are descriptors of this process: one that is shut
    down is to grpcio as if its client had left. Nothing is looked at where the system does not list them.
    """

    def __init__(self, *, port: int, per_client: int, every_s: float = EVERY_S) -> None:
        self._port, self._per_client, self._every_s = port, per_client, every_s
        self._known: dict[tuple[int, str], str] = {}  # descriptor and address, oldest first, to the client
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="serving-grpc-crowds", daemon=True)

    def start(self) -> None:
        if DESCRIPTORS is not None:
            self._thread.start()

    def stop(self) -> None:
        """Safe to call twice, or unstarted."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def disperse(self) -> int:
        """Looks once; how many connections were ended."""
        found = {descriptor: address for descriptor in _descriptors() if (address := self._peer(descriptor))}
        former = {one: client for one, client in self._known.items() if found.get(one[0]) == one[1]}
        self._known = former | {(one, at): client_of(at.rpartition(" ")[0]) for one, at in found.items()}
        counts, ended = Counter[str](), 0
        for (descriptor, address), client in self._known.items():
            counts[client] += 1
            if counts[client] > self._per_client and self._peer(descriptor, ends=address) == address:
                ended += 1
        return ended

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            self.disperse()

    def _peer(self, descriptor: int, *, ends: str | None = None) -> str | None:
        """The other end of a connection to the port, None for any other descriptor; shuts it down where it is
        that of `ends`.

        The descriptor is used in place and never copied: what grpcio closes must be closed.
        """
        try:
            one = socket.socket(fileno=descriptor)
        except OSError:  # no socket, or closed by now
            return None
        try:
            if one.family not in (socket.AF_INET, socket.AF_INET6) or one.getsockname()[1] != self._port:
                return None
            host, port, *_ = one.getpeername()
            address = f"{host} {port}"
            if address == ends:
                one.shutdown(socket.SHUT_RDWR)
            return address
        except OSError:  # the one that listens, or one that ended
            return None
        finally:
            one.detach()


def _descriptors() -> list[int]:
    try:
        return [] if DESCRIPTORS is None else list(map(int, os.listdir(DESCRIPTORS)))
    except OSError:  # of which there is none left to list them by
        return []
