#!/usr/bin/env bash
# tritonclient and FastAPI: the client sends JSON and does not say so, and the server answers 422 to a right request.
#
# Version: tritonclient 2.73.0, fastapi 0.165.0, uvicorn 0.54.0.
# Behaviour: the HTTP client posts its request without a Content-Type header. FastAPI parses a body as JSON only where
#   the header says JSON, so an endpoint in the usual form, one dict as body, refuses each request of the client with
#   422 and takes the same bytes from curl. `FastAPI(strict_content_type=False)`, or reading the body oneself, mends
#   it.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   Content-Type that the client sends: None
#   FastAPI as it comes: InferenceServerException [422] an exception occurred in the client whi
#   the same bytes, said to be JSON: [0.5]
#   strict_content_type=False: [0.5]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "tritonclient[http]==2.73.0" fastapi==0.165.0 \
  uvicorn==0.54.0 numpy==2.4.6
"$folder/venv/bin/python" -I - <<'EOF'
import json
import socket
import threading
import time
import urllib.request

import numpy as np
import uvicorn
from fastapi import FastAPI, Request
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

bodies, headers = [], []


def application(**options):
    app = FastAPI(**options)

    @app.middleware("http")
    async def look(request: Request, call_next):
        headers.append(request.headers.get("content-type"))
        bodies.append(await request.body())
        return await call_next(request)

    @app.post("/v2/models/digits/infer")
    def infer(body: dict) -> dict:
        answer = {"name": "y", "datatype": "FP32", "shape": [1], "data": [0.5]}
        return {"model_name": "digits", "outputs": [answer]}

    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    return f"127.0.0.1:{listener.getsockname()[1]}"


def ask(address):
    x = InferInput("x", [2], "FP32")
    x.set_data_from_numpy(np.zeros(2, np.float32), binary_data=False)
    try:
        wanted = [InferRequestedOutput("y", binary_data=False)]
        return InferenceServerClient(address).infer("digits", [x], outputs=wanted).as_numpy("y").tolist()
    except Exception as error:
        return f"{type(error).__name__} {error}"[:70]


strict = application()
found = {"FastAPI as it comes": ask(strict)}
sent, said = bodies[0], headers[0]
post = urllib.request.Request(
    f"http://{strict}/v2/models/digits/infer", data=sent, headers={"Content-Type": "application/json"}
)
with urllib.request.urlopen(post, timeout=10) as answer:
    found["the same bytes, said to be JSON"] = json.load(answer)["outputs"][0]["data"]
found["strict_content_type=False"] = ask(application(strict_content_type=False))
print("Content-Type that the client sends:", said)
for name, outcome in found.items():
    print(f"{name}: {outcome}")
refused, *taken = found.values()
as_found = said is None and "422" in str(refused) and taken == [[0.5], [0.5]]

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
