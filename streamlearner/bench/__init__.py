"""Experiments that reproduce the papers' tables and hold our claims, on the daemon's own learning code.

command.py      `streamlearner bench`: list, run, report
catalogue.py    EXPERIMENTS: every experiment by its name
runner.py       does the trials that no earlier run has done
results.py      Row, Result: what a run writes, and how an interrupted one is resumed
report.py       RESULTS.md and its pictures (pictures.py), made from the results and from nothing else
workbench.py    what an experiment is handed: daemons built from settings, and data
continual.py    a stream learned once by several arms under several budgets
mnist_split.py  throughput.py  ...  one experiment each

Nothing is imported here: the command line must start without torch.
"""
