"""Experiments that reproduce the papers' tables and check our claims, on the daemon's own learning code.

command.py    `streamlearner bench`: list, run, report
catalogue.py  every experiment by its name
runner.py     runs the trials that no earlier run has done
report.py     RESULTS.md and its plots, from the result files alone
assembly.py   builds the fixture that experiments run on
experiments/  one experiment a file: arms, protocol, how a trial is run
streams/      streams in an order, and one daemon that learns them, evaluated along the way
peers/        other methods and libraries beside the daemon, learning in turns
served/       servers of one network beside the daemon, and the clients that ask them
plots/        what the experiments draw; drawing.py is what all plots share
material/     baselines, networks and memories without the daemon, and the papers' tables
kit/          what every experiment is made of: contract, fixture, rows, summaries, tables
results/      the committed results, RESULTS.md and its plots

Imports point down: experiments > streams, peers, served, plots > material > kit. Nothing is imported here,
as the command line must start without torch.
"""
