"""The daemon: wake, sleep, serve, checkpoint. `loop` is the page to read first."""
