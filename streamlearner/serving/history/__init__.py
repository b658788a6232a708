"""What the dashboard remembers: figures over time and marks of what happened, kept in `state.history`.

figures.py    status documents to figures
recorder.py   the thread that keeps them
curves.py     samples to curves of a resolution
route.py      GET /v1/history, /v1/versions
"""
