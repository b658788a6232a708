"""Who one client is, and how many requests a second each may send."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

MOST_CLIENTS = 10_000
"""Whose last requests are remembered: who was silent for longest is forgotten, with a full allowance."""


@lru_cache(maxsize=MOST_CLIENTS)
def client_of(address: str) -> str:
    """The client at an address: of IPv6 the whole /64, as one machine may take any address in it."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ip_network((found, 64), strict=False))


class RequestRates:
    """A token bucket for each client: `per_s` requests a second, and after a pause as many as in one second
    (at least one) at once."""

    def __init__(self, per_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._most = max(1.0, per_s)
        self._clock = clock
        self._lock = threading.Lock()  # gRPC answers in threads
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # requests, and as of when

    def wait_s(self, address: str) -> float:
        """Takes one request of the client at `address`: 0 where it may be answered, else in how many seconds
        the next one may."""
        client = client_of(address)
        with self._lock:
            now_s = self._clock()
            left, as_of_s = self._left.pop(client, (self._most, now_s))
            left = min(self._most, left + (now_s - as_of_s) * self._per_s)
            admitted = left >= 1.0
            self._left[client] = (left - admitted, now_s)
            if len(self._left) > MOST_CLIENTS:
                self._left.popitem(last=False)
        return 0.0 if admitted else (1.0 - left) / self._per_s


def retry_after(wait_s: float) -> str:
    """Whole seconds, as the header takes them."""
    return str(max(1, math.ceil(wait_s)))
