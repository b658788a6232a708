"""The daemon: wake, consolidate, serve, checkpoint.

Read loop.py first.

loop.py            Daemon: the loop, on one page
state.py           DaemonState: what the loop works on
intake.py          from the source to batches
sleep_schedule.py  when to sleep
persistence.py     the checkpoint manager: when to save, and in which order
snapshot.py        what a checkpoint holds: captured and restored
requests.py        what serving's threads ask: status documents, requests to the learning thread
reports.py         the status documents and the metrics, built
transplants.py     whether a transplant can begin, and its beginning
events.py          log lines and counters
"""
