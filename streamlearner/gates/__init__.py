"""Meta-learned gates on updates (paper 002)."""
