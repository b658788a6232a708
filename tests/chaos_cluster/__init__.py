"""`python -m tests.chaos_cluster`: a cluster on several nodes of Ray: processes and nodes of it are killed,
frozen and changed in number, while examples come and predictions are asked for. At the end every example must
have counted once, by a count of the files.

nodes.py     Ray's own multi-node test cluster, and `streamlearner cluster run` on it
fates.py     what happens to it, drawn from a seed
asking.py    predictions through Ray Serve's proxy, all the time
rounds.py    a cluster of its own for so many events, and what became of it
__main__.py  rounds until so many events have happened; a log from which it goes on
"""
