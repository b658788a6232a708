"""What several experiments learn from and are compared with."""
