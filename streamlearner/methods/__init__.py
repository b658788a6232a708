"""Methods: one paper, one file, one class; `registry/methods.py` names them.

base.py        the contract
components.py  what a method may be built of
"""
