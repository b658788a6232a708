"""The parts that a configuration names, each kind in a registry; a user's own come in by entry points.

A part is one file and one registration. What stands here is light: names, a line about each, where its code
is, its settings. The code, and torch with it, is imported when a part is first used.

part.py       Registry, Part
section.py    Section: the base of settings, and the kinds of their values
methods.py, associations.py, networks.py, sources.py, dead_letters.py, sampling.py
              what there is of each kind
"""
