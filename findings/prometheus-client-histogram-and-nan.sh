#!/usr/bin/env bash
# prometheus_client: one NaN makes a histogram's sum NaN for ever and is missing from its count; a summary counts it.
#
# Version: prometheus-client 0.26.0.
# Behaviour: a loss that was NaN once, observed like any other. The histogram's `_sum` is NaN until the process
#   restarts, so every mean over it is, long after the losses are well again. In its buckets and `_count` the
#   observation does not exist, although the bucket +Inf is there for everything; a summary with the same observations
#   counts it. So the two disagree about how much was observed, and no series says that a NaN came.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   observed: 0.5, NaN, 0.5, 0.5
#     loss_bucket{le="1.0"} 3.0
#     loss_bucket{le="10.0"} 3.0
#     loss_bucket{le="+Inf"} 3.0
#     loss_count 3.0
#     loss_sum NaN
#     loss_again_count 4.0
#     loss_again_sum NaN
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check prometheus-client==0.26.0
"$folder/venv/bin/python" -I - <<'EOF'
from prometheus_client import CollectorRegistry, Histogram, Summary, generate_latest

registry = CollectorRegistry()
histogram = Histogram("loss", "as a histogram", buckets=(1, 10), registry=registry)
summary = Summary("loss_again", "as a summary", registry=registry)
for loss in (0.5, float("nan"), 0.5, 0.5):
    histogram.observe(loss)
    summary.observe(loss)
text = generate_latest(registry).decode()
found = dict(line.split() for line in text.splitlines() if not line.startswith("#") and "_created" not in line)
print("observed: 0.5, NaN, 0.5, 0.5")
for name, value in found.items():
    print(f"  {name} {value}")
as_found = found["loss_sum"] == "NaN" and found["loss_count"] == found['loss_bucket{le="+Inf"}'] == "3.0"
as_found = as_found and found["loss_again_count"] == "4.0"

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
