"""The model leaves: what answers, as files that other programs run.

graph.py      what answers as one module: preprocessing, the eye, the network, statistics beside it
formats.py    that module as an ONNX file, or a program of torch.export
running.py    such a file, run again
card.py       what stands beside the files: signature, classes, grades, digests
exported.py   all of these together, checked against what answers
"""
