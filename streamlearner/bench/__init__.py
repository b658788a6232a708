"""Experiments that reproduce the papers' tables and hold our claims, on the daemon's own learning code.

command.py      `streamlearner bench`: list, run, report
catalogue.py    EXPERIMENTS: every experiment by its name
runner.py       does the trials that no earlier run has done
results.py      Row, Result: what a run writes, and how an interrupted one is resumed
report.py       RESULTS.md (tables.py) and pictures (pictures.py, stream_picture.py), made from the results
                alone
fixture.py    what an experiment is handed: daemons built from settings, and data
continual.py    a stream learned once by several arms under several budgets: in the order of ordering.py,
                tested along it by retention_curve.py, from an association that pretraining.py fitted
mnist_split.py  cifar100_incremental.py  throughput.py  ...  one experiment each

Nothing is imported here: the command line must start without torch.
"""
