"""Open Inference Protocol v2, as KServe and Triton clients speak it: the served model under a common name.

model.py     ServedByProtocol: name, versions, metadata, infer; whatever carries it
tensors.py   tensors to and from raw bytes and lists
inputs.py    tensors to inputs as the learner takes them
outputs.py   answers to tensors
rest.py      the paths under /v2
bodies.py    their bodies: JSON, and raw bytes behind it
rpc.py       the same over gRPC
rpc_messages.py, rpc_tensors.py    its messages (open_inference.proto, compiled by `make proto`)
rpc_listener.py    its port
"""
