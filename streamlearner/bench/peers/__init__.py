"""The libraries that the bench compares with, and how turns are taken."""
