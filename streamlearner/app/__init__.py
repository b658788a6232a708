"""build(config) -> Daemon: the only place that knows all others.

assembly.py    the daemon
access.py      who may use the port
outside.py     sources, the push log, dead letters
files.py       files of any format as a source
intake.py      what takes batches from the source
learning.py    the learner and its method
parts.py       network, association, memory: what methods are built of
meta_training.py
               a gate, trained for `meta_learned_update`
planning.py    what the planner asks of associations
"""

from streamlearner.app.access import check_access
from streamlearner.app.assembly import build
from streamlearner.app.embedded import Learner
from streamlearner.app.embedded_state import SleepResult
from streamlearner.app.files import Files, digits
from streamlearner.app.learning import make_learner, make_method
from streamlearner.app.parts import check_eye, check_network
from streamlearner.app.planning import measure_for, statistics_for
from streamlearner.config.given import load_config
from streamlearner.config.loading import Config

__all__ = [
    "Config", "Files", "Learner", "SleepResult", "build", "check_access", "check_eye", "check_network",
    "digits",
    "load_config", "make_learner", "make_method", "measure_for", "statistics_for",
]  # fmt: skip
