"""What `streamlearner` is in the shell of forked_commands.ShellCommands. It imports little, to be quick."""

import json
import os
import signal
import socket
import sys


def main(port: int, words: list[str]) -> int:
    """Asks for the program, hands it the signals, and ends as it did."""
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("r") as lines:
        asked = {"words": words, "folder": os.getcwd(), "environ": dict(os.environ), "pid": os.getpid()}
        connection.sendall(json.dumps(asked).encode() + b"\n")
        process = int(lines.readline())
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, frame: os.kill(process, number))
        code = int(lines.readline())
    if code < 0:
        os.kill(os.getpid(), signal.SIGKILL)  # the only signal that ends it so
    return code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
