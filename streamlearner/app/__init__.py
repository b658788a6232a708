"""build(config) -> Daemon: the only place that knows all others.

assembly.py    the daemon
outside.py     sources, the push log, dead letters
learning.py    the learner and its method
active_long_term.py, generative_dual_memory.py, masked_generator.py, meta_learned_update.py
               those methods
parts.py       network, association, memory: what methods are built of
planning.py    what the planner asks of associations
"""

from streamlearner.app.assembly import build
from streamlearner.app.embedded import Learner
from streamlearner.app.embedded_state import SleepResult
from streamlearner.app.learning import make_learner, make_method
from streamlearner.app.outside import client_options, digits, files_source
from streamlearner.app.parts import check_network
from streamlearner.app.planning import measure_for
from streamlearner.config.given import load_config
from streamlearner.config.loading import Config

__all__ = [
    "Config", "Learner", "SleepResult", "build", "check_network", "client_options", "digits", "files_source",
    "load_config", "make_learner", "make_method", "measure_for",
]  # fmt: skip
