#!/usr/bin/env bash
# torchmetrics 1.9.0 beside scikit-learn 1.9.1: the macro recall counts a class that is predicted but has no sample as 0,
# scikit-learn's balanced accuracy leaves it out; their macro F1 agree. Baselines beside a network are then not comparable.
# Seen: recall 0.4444 and 0.6667, F1 equal.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 torchmetrics==1.9.0 scikit-learn==1.9.1
cd "$folder"
"$folder/venv/bin/python" - 2> log.txt <<'PYTHON'
import torch
from sklearn.metrics import balanced_accuracy_score, f1_score
from torchmetrics.functional.classification import multiclass_f1_score, multiclass_recall

predicted, labels = torch.tensor([0, 0, 1, 1, 3, 0]), torch.tensor([0, 0, 1, 1, 0, 1])
ours = [round(float(score(predicted, labels, 4, average="macro")), 4) for score in (multiclass_recall, multiclass_f1_score)]
theirs = [balanced_accuracy_score(labels, predicted), f1_score(labels, predicted, average="macro")]
theirs = [round(float(score), 4) for score in theirs]
print("recall and F1:", ours, theirs)
raise SystemExit(not (ours[0] == 0.4444 and theirs[0] == 0.6667 and ours[1] == theirs[1]))
PYTHON
