"""Servers of one network, each in a process of its own, and clients that ask them in a closed loop."""
