"""streamlearner: a daemon that learns continually from a labelled stream, inside a budget of bits."""

__version__ = "0.1.0"
