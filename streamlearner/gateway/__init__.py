"""The gateway: a process that reads and writes HTTP for connections which ask for one prediction after the
other, so that this costs the learning process no interpreter lock.

The daemon accepts every connection and lends a busy one to the gateway, socket and all. The gateway knows one
thing: `POST /v1/predict` with plain JSON. It decodes the inputs and asks the daemon for the answers of many
requests at once. Whatever is unusual (another path, a header that means something, an input that is refused),
it gives back with the bytes that came, and the daemon answers as it always does.

main.py        the process
connection.py  one lent connection
requests.py    what a plain request is, and its answer
questions.py   requests that wait, and what goes to the daemon at once
returning.py   clients in a closed loop, whose next requests are about to come
frames.py      how both processes speak
sockets.py     how a socket goes from one process to the other

No torch here: the process is small, and starts quickly.
"""
