#!/usr/bin/env bash
# River: the logarithmic error over a rolling window (RMSLE) is a complex number from the first step that the window moves.
#
# Version: River 0.26.1.
# Behaviour: what comes is added to the metric as a squared difference of logarithms; what leaves the window is taken
#   off as a squared difference of the plain values. So the mean falls below 0, and Python's power 0.5 of it is
#   complex. Nothing is raised; whoever formats it with `:.3f` or sends it to a dashboard meets an error there. RMSE
#   over the same window is right.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   price  said  RMSE of the last 3  RMSLE of the last 3     by hand
#       3     5               2.000                0.405       0.405
#       8     8               1.414                0.287       0.287
#      15    10               3.109                0.319       0.319
#       9    14               4.082         0.000+1.085j       0.319
#      30    20               7.071         0.000+1.061j       0.390
#      12    12               6.455         0.000+3.076j       0.325
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check river==0.26.1
"$folder/venv/bin/python" -I - <<'EOF'
import math

from river import metrics, utils

WINDOW = 3
pairs = [(3, 5), (8, 8), (15, 10), (9, 14), (30, 20), (12, 12)]
plain = utils.Rolling(metrics.RMSE, window_size=WINDOW)
logarithmic = utils.Rolling(metrics.RMSLE, window_size=WINDOW)
print("price  said  RMSE of the last 3  RMSLE of the last 3     by hand")
kinds = []
for place, (price, said) in enumerate(pairs):
    plain.update(price, said)
    logarithmic.update(price, said)
    held = pairs[max(0, place + 1 - WINDOW) : place + 1]
    by_hand = math.sqrt(sum((math.log1p(a) - math.log1p(b)) ** 2 for a, b in held) / len(held))
    found = logarithmic.get()
    kinds.append(isinstance(found, complex) and abs(found.imag) > 0.5)
    print(f"{price:5} {said:5} {plain.get():19.3f} {found:20.3f} {by_hand:11.3f}")
as_found = kinds == [False] * WINDOW + [True] * (len(pairs) - WINDOW)

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
