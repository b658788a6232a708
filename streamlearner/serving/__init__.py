"""The HTTP application: thin edges over the predictor and the daemon, on one port, in the daemon's process.

server.py       Serving: the port, the thread, refresh()
application.py  assembly: which path is answered by which of the nouns below
daemon_port.py  DaemonPort: what serving asks of the daemon
served.py       the frozen model that answers
predictions.py examples.py reports.py recollections.py admin.py health.py page.py
bodies.py       reading and checking request bodies
problems.py     every error as {"error": ...}
workers.py guard.py accounting.py
"""

from streamlearner.serving.daemon_port import (
    BacklogFull,
    Conflict,
    DaemonPort,
    IngestExample,
    Receipt,
    Unavailable,
)
from streamlearner.serving.server import Serving

__all__ = ["BacklogFull", "Conflict", "IngestExample", "DaemonPort", "Receipt", "Serving", "Unavailable"]
