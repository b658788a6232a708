"""More than one machine: learners, one consolidator and replicas, which meet in one store.

store.py         a folder that all of them reach: files that are made once, and files that are replaced
object_store.py  the same in an object store, by fsspec
store_at.py      which of both a setting names
layout.py        where things stand in it
claims.py        who holds what: each claim raises an epoch, and what an older epoch writes nobody reads
assignment.py    which learner is to read which partitions
lineage.py       one partition's learning half, with its state in the store
scale.py         how vectors are measured, alike in all partitions
learner.py       the lineages that one process was assigned
take_in.py       a single daemon's state folder, as the beginning of a cluster
consolidator.py  merges what all remember, teaches the long-term model, publishes versions
versions.py      published versions: immutable, one after the other
status.py        what is going on, from the store alone
replicas.py      what answers, as Ray Serve deploys it
engine.py        all of these as Ray actors; it and replicas.py alone import Ray
"""
