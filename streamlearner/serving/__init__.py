"""The HTTP application: thin edges over the predictor and the daemon, on one port, in the daemon's process.

Read server.py first.

server.py        Serving: what the daemon starts, refreshes and stops
parts.py         what it is told, and what its ports answer with
application.py   which path is answered by which class
predictions.py examples.py labels.py status.py recollections.py (sheet.py) admin.py health.py page.py
                 those classes
labels_topic.py  labels from a topic
answers.py       what every protocol asks the model through
open_inference/  the Open Inference Protocol
served_model.py  the frozen model that answers
daemon_port.py   DaemonPort: all that serving asks of the daemon
bodies.py        reading and checking request bodies
compressed.py    inflating them
problems.py      every error as a problem document; problem_kinds.py: which there are
routes.py        how a route is added, with the role that it needs; openapi.py describes them, components.py
                 what several of them share
tokens.py        which token has which role
guard.py         who may use a route
hosts.py         by which names the daemon may be called
access.py        all of these by settings; read_only.py: of what only answers
workers.py       thread pools with bounded queues
tls.py           certificates, the daemon's and its clients'
listener.py      the TCP port and the thread that answers on it; timer_slack.py: threads woken on time
connection.py    one TCP connection: how many there may be, and for how long each may wait
crowd.py         predictions asked for while others are answered, which the gateway has at once
clients.py       who one client is, and how often each may ask
accounting.py    counts requests by path and status
"""

from streamlearner.serving.access import Access
from streamlearner.serving.connection import ConnectionLimits
from streamlearner.serving.daemon_port import (
    BacklogFull,
    Conflict,
    DaemonPort,
    ExamSample,
    IngestExample,
    IngestExamples,
    Receipt,
    TooLarge,
    Unavailable,
)
from streamlearner.serving.labels import LabelsLater
from streamlearner.serving.parts import Ports, RequestLimits
from streamlearner.serving.read_only import ReadOnlyAccess
from streamlearner.serving.server import Serving
from streamlearner.serving.tls import Tls
from streamlearner.serving.tokens import Role

__all__ = [
    "Access",
    "BacklogFull",
    "Conflict",
    "ConnectionLimits",
    "DaemonPort",
    "ExamSample",
    "IngestExample",
    "IngestExamples",
    "LabelsLater",
    "Ports",
    "ReadOnlyAccess",
    "Receipt",
    "RequestLimits",
    "Role",
    "Serving",
    "Tls",
    "TooLarge",
    "Unavailable",
]
