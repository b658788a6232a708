#!/usr/bin/env bash
# scikit-learn: Gaussian naive Bayes that learns its examples one at a time answers NaN, and class 0 for ever.
#
# Version: scikit-learn 1.9.1; River 0.26.1, whose adapter calls it so.
# Behaviour: `partial_fit` adds a little to every variance, so that a feature which never changes is no division by
#   zero. It takes that little from the variance inside the batch in hand, which is 0 where the batch is one example.
#   With any feature that never changes (the corner of a picture) each probability is NaN, `predict` returns the first
#   class, and only a RuntimeWarning tells. Two at a time are enough. River's `convert_sklearn_to_river` makes a
#   stream learner of it which learns one at a time by its nature.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   batches of    1: accuracy 0.099, 100% of the answers all NaN
#   batches of    2: accuracy 0.819,   0% of the answers all NaN
#   batches of  100: accuracy 0.817,   0% of the answers all NaN
#   batches of 1200: accuracy 0.817,   0% of the answers all NaN
#   River's adapter: accuracy 0.099, classes ever answered [0]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scikit-learn==1.9.1 river==0.26.1 numpy==2.4.6
"$folder/venv/bin/python" -I - <<'EOF'
import warnings

import numpy as np
from river.compat import convert_sklearn_to_river
from sklearn.datasets import load_digits
from sklearn.naive_bayes import GaussianNB

warnings.simplefilter("ignore", RuntimeWarning)
images, labels = load_digits(return_X_y=True)
x, y, unseen, truth = images[:1200], labels[:1200], images[1200:], labels[1200:]
found = {}
for size in (1, 2, 100, 1200):
    model = GaussianNB()
    for start in range(0, len(x), size):
        model.partial_fit(x[start : start + size], y[start : start + size], classes=range(10))
    nan = np.isnan(model.predict_proba(unseen)).all(axis=1).mean()
    found[size] = model.score(unseen, truth), nan, set(model.predict(unseen).tolist())
    print(f"batches of {size:4}: accuracy {found[size][0]:.3f}, {nan:4.0%} of the answers all NaN")
model = convert_sklearn_to_river(GaussianNB(), classes=list(range(10)))
for row, label in zip(x, y, strict=True):
    model.learn_one(dict(enumerate(row)), int(label))
answers = [model.predict_one(dict(enumerate(row))) for row in unseen]
river = float(np.mean(answers == truth))
print(f"River's adapter: accuracy {river:.3f}, classes ever answered {sorted({int(answer) for answer in answers})}")
as_found = found[1][0] < 0.15 and found[1][1] == 1 and found[1][2] == {0} and river < 0.15
as_found = as_found and all(found[size][0] > 0.75 and found[size][1] == 0 for size in (2, 100, 1200))

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
