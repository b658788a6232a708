#!/usr/bin/env bash
# River: a ranking without a single mistake has an area under the ROC curve of 0.5 where all scores are low.
#
# Version: River 0.26.1.
# Behaviour: the running metric counts at ten fixed thresholds, 0 to 1, and joins them by straight lines; what lies
#   between two thresholds is not told apart. Where one class is rare a calibrated model's scores all lie under 0.1,
#   and the metric says coin toss for every model, good or bad, although true area is 1. More thresholds help as far
#   as the scores are spread. That it is an approximation is documented; that it can be wrong by the whole scale is
#   not.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   1 % positives, every one scored 0.09; no negative above 0.031: the true area is 1
#     10 thresholds (default): 0.500
#    100 thresholds          : 1.000
#   1000 thresholds          : 1.000
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check river==0.26.1
"$folder/venv/bin/python" -I - <<'EOF'
from river import metrics

examples = [(number % 100 == 0, 0.09 if number % 100 == 0 else 0.001 + number % 7 * 0.005) for number in range(5000)]
lowest, highest = min(s for y, s in examples if y), max(s for y, s in examples if not y)
print(f"1 % positives, every one scored {lowest}; no negative above {highest:.3f}: the true area is 1")
found = {}
for thresholds in (10, 100, 1000):
    metric = metrics.ROCAUC(n_thresholds=thresholds)
    for truth, score in examples:
        metric.update(truth, score)
    found[thresholds] = metric.get()
    print(f"{thresholds:4} thresholds{' (default)' if thresholds == 10 else '':10}: {found[thresholds]:.3f}")
as_found = lowest > highest and found[10] == 0.5 and found[1000] > 0.99

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
