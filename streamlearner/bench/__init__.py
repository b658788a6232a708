"""Experiments that reproduce the papers' tables and hold our claims; each runs the daemon's own learning code.

results.py      Row, Result: what a run writes, and how an interrupted one is resumed
workbench.py    what an experiment is handed: daemons built from settings, and data
continual.py    a stream learned once by several arms under several budgets
mnist_split.py  throughput.py  ...  one experiment each
"""

from streamlearner.bench.experiment import Experiment
from streamlearner.bench.mnist_split import MNIST_SPLIT
from streamlearner.bench.throughput import THROUGHPUT

EXPERIMENTS: dict[str, Experiment] = {experiment.name: experiment for experiment in (MNIST_SPLIT, THROUGHPUT)}
