"""What counting letters reaches: the reference of a network that reads names."""

from collections.abc import Sequence

from lightning.pytorch import Callback, LightningModule, Trainer

from callbacks.observing import check_datasets
from nets.labels import check_labels


class NgramBaseline(Callback):
    """Logs what scikit-learn's logistic regression on 1–4-grams of characters reaches on the test split.

    ``ngrams/test_acc``, ``ngrams/test_balanced_acc`` and ``ngrams/test_macro_f1``, of counts of the n-grams within
    words and at their edges, lower-case, fitted to the training split of the same run with scikit-learn's defaults. A
    test of some batches only has nothing to be held against, and logs nothing.

    Raises:
        ValueError: when the data has no ``datasets``, or cannot ``decode`` its tokens.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        check_datasets(self, trainer)
        if not hasattr(trainer.datamodule, "decode"):
            raise ValueError(
                f"NgramBaseline needs data of texts, such as datamodules.SurnamesDataModule, but it is "
                f"{type(trainer.datamodule).__name__}: take NgramBaseline out of trainer.callbacks."
            )
        if stage == "test":
            trainer.datamodule.setup("fit")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        limit = trainer.limit_test_batches
        if isinstance(limit, int) or limit < 1.0:  # 1 is one batch, and 1.0 is all of them
            return
        texts, labels = {}, {}
        for split in ("train", "test"):
            tokens, *_, of_split = trainer.datamodule.datasets[split].tensors
            texts[split], labels[split] = trainer.datamodule.decode(tokens), check_labels(of_split, ndim=1).tolist()
        scores = score_ngrams(texts["train"], labels["train"], texts["test"], labels["test"])
        pl_module.log_dict({f"ngrams/test_{name}": value for name, value in scores.items()}, sync_dist=True)


def score_ngrams(
    train_texts: Sequence[str], train_labels: Sequence[int], test_texts: Sequence[str], test_labels: Sequence[int]
) -> dict[str, float]:
    """Accuracy, balanced accuracy and macro-F1 of logistic regression on 1–4-grams of characters."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
    from sklearn.pipeline import make_pipeline

    counts = CountVectorizer(analyzer="char_wb", ngram_range=(1, 4))
    model = make_pipeline(counts, LogisticRegression(max_iter=1000)).fit(train_texts, train_labels)
    predicted = model.predict(test_texts)
    return {
        "acc": float(accuracy_score(test_labels, predicted)),
        "balanced_acc": float(balanced_accuracy_score(test_labels, predicted)),
        "macro_f1": float(f1_score(test_labels, predicted, average="macro")),
    }
