"""Other continual-learning methods and libraries, and the daemon beside them, learning in turns."""
