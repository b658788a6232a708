"""A client of the daemon for programs, typed, for threads and for asyncio. The command line uses it.

>>> from streamlearner.client import Client
>>> with Client("http://127.0.0.1:8080") as client:               # doctest: +SKIP
...     client.predict([[[0, 1], [2, 3]]])["predictions"][0]["label"]

- `Client`, `AsyncClient`: a method for each thing to ask.
- `Retries`, `NO_RETRIES`: what is sent again, and when.
- `Refused` and its kinds `Invalid`, `NotAllowed`, `NotFound`, `NotNow`, `Busy`, `NotReady`, `Crashed`: the
  daemon's problem documents; `NoDaemon`, `NotADaemon`: nobody answers, or somebody else. All are
  `StreamlearnerError`s.
- `Example`: what is pushed; `as_input`: what becomes an input. What comes back is described by
  `streamlearner.answer_models`.

Importing it loads no torch, and numpy only where an array is sent.
"""

from streamlearner.client.async_client import AsyncClient
from streamlearner.client.calls import Example
from streamlearner.client.client import Client
from streamlearner.client.errors import (
    Busy,
    Crashed,
    Invalid,
    NoDaemon,
    NotADaemon,
    NotAllowed,
    NotFound,
    NotNow,
    NotReady,
    Refused,
)
from streamlearner.client.inputs import as_input
from streamlearner.client.retries import NO_RETRIES, Retries

__all__ = [
    "Client", "AsyncClient",
    "Retries", "NO_RETRIES",
    "Refused", "Invalid", "NotAllowed", "NotFound", "NotNow", "Busy", "NotReady", "Crashed",
    "NoDaemon", "NotADaemon",
    "Example", "as_input",
]  # fmt: skip
