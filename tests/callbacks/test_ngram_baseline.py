"""The baseline of n-grams: its scores against a count of the n-grams by hand."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score

from callbacks import NgramBaseline
from callbacks.ngram_baseline import score_ngrams
from datamodules import DigitsDataModule, SurnamesDataModule
from lit_models import LitSequenceClassifier
from nets import RecurrentClassifier

TRAIN = {"Novak": 0, "Horak": 0, "Polak": 0, "Rossini": 1, "Bellini": 1, "De Vini": 1, "O'Brien": 2, "O'Dea": 2}
TEST = {"Sedlak": 0, "Martini": 1, "Rosak": 1, "O'Shea": 2, "Brini": 2}
NAMES = {"Czech": "ak", "Italian": "ini", "Irish": "agh"}
STEMS = ["Nov", "Hor", "Pol", "Sedl", "Mal", "Dvor", "Hud", "Zel", "Bar", "Kol"]


def counts(name: str) -> Counter[str]:
    """How often each 1–4-gram stands in the words of a name, each with a space on both sides."""
    words = [f" {word} " for word in name.lower().split()]
    return Counter(
        word[first : first + size] for word in words for size in (1, 2, 3, 4) for first in range(len(word) - size + 1)
    )


@pytest.fixture
def data(tmp_path: Path) -> SurnamesDataModule:
    for language, ending in NAMES.items():
        (tmp_path / f"{language}.txt").write_text("\n".join(stem + ending for stem in STEMS), encoding="utf-8")
    return SurnamesDataModule("files", str(tmp_path), val_fraction=0.2, test_fraction=0.3)


def classifier() -> LitSequenceClassifier:
    return LitSequenceClassifier(RecurrentClassifier(58, 4, 3), 3)


def test_scores_are_those_of_logistic_regression_on_counts() -> None:
    scores = score_ngrams(list(TRAIN), list(TRAIN.values()), list(TEST), list(TEST.values()))
    vectorizer = DictVectorizer()
    model = LogisticRegression(max_iter=1000)
    model.fit(vectorizer.fit_transform([counts(name) for name in TRAIN]), list(TRAIN.values()))
    predicted = model.predict(vectorizer.transform([counts(name) for name in TEST]))
    labels = list(TEST.values())
    assert scores == {
        "acc": pytest.approx((predicted == labels).mean()),
        "balanced_acc": pytest.approx(balanced_accuracy_score(labels, predicted)),
        "macro_f1": pytest.approx(f1_score(labels, predicted, average="macro")),
    }
    assert 0.2 < scores["acc"] < 1


def test_a_test_logs_what_the_training_names_of_the_run_tell_about_the_tested_ones(
    data: SurnamesDataModule, make_trainer: Callable
) -> None:
    (metrics,) = make_trainer(callbacks=[NgramBaseline()]).test(classifier(), datamodule=data, verbose=False)
    own = {name.removeprefix("ngrams/test_"): value for name, value in metrics.items() if name.startswith("ngrams/")}
    texts = {split: data.decode(data.datasets[split].tensors[0]) for split in ("train", "test")}
    labels = {split: data.datasets[split].tensors[2].tolist() for split in ("train", "test")}
    expected = score_ngrams(texts["train"], labels["train"], texts["test"], labels["test"])
    assert own == {name: pytest.approx(value) for name, value in expected.items()}
    assert own["acc"] > 0.8  # the ending tells the language
    assert not set(texts["train"]) & set(texts["test"])


def test_a_test_of_some_batches_has_nothing_to_be_held_against(
    data: SurnamesDataModule, make_trainer: Callable
) -> None:
    trainer = make_trainer(callbacks=[NgramBaseline()], limit_test_batches=1)
    (metrics,) = trainer.test(classifier(), datamodule=data, verbose=False)
    assert not [name for name in metrics if name.startswith("ngrams/")]


def test_the_weights_of_a_run_are_the_same_with_it_and_without(
    data: SurnamesDataModule, make_trainer: Callable
) -> None:
    weights = []
    for callbacks in ([], [NgramBaseline()]):
        torch.manual_seed(0)
        task, trainer = classifier(), make_trainer(callbacks=callbacks)
        trainer.fit(task, datamodule=data)
        trainer.test(task, datamodule=data, verbose=False)
        weights.append(task.net.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_it_needs_texts(make_trainer: Callable) -> None:
    message = (
        "NgramBaseline needs data of texts, such as datamodules.SurnamesDataModule, but it is DigitsDataModule: take "
        "NgramBaseline out of trainer.callbacks"
    )
    with pytest.raises(ValueError, match=message):
        make_trainer(callbacks=[NgramBaseline()]).test(classifier(), datamodule=DigitsDataModule(), verbose=False)
