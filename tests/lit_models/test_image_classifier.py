"""The classifier's loss and metrics against plain computations over a whole split."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from lit_models import LitImageClassifier


def plain_scores(task: LitImageClassifier, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Cross-entropy and accuracy of a whole split at once."""
    with torch.no_grad():
        logits = task.net.eval()(images).double()
    loss = -logits.log_softmax(dim=-1)[torch.arange(len(labels)), labels].mean()
    return float(loss), float((logits.argmax(dim=-1) == labels).double().mean())


@pytest.mark.parametrize("split", ["val", "test"])
def test_metrics_of_an_epoch_are_exact_with_an_uneven_last_batch(
    tiny_task: object, tiny_images: type, make_trainer: object, split: str
) -> None:
    task, data = tiny_task(), tiny_images(eval_batch_size=4)  # 11 = 4 + 4 + 3 and 7 = 4 + 3 images
    trainer = make_trainer()
    run = trainer.validate if split == "val" else trainer.test
    (metrics,) = run(task, datamodule=data, verbose=False)
    loss, accuracy = plain_scores(task, *data.datasets[split].tensors)
    assert metrics == {f"{split}/loss": pytest.approx(loss), f"{split}/acc": pytest.approx(accuracy)}


def test_metrics_start_afresh_in_each_epoch(tiny_task: object, tiny_images: type, make_trainer: object) -> None:
    task, data = tiny_task(), tiny_images()
    trainer = make_trainer(max_epochs=3)
    trainer.fit(task, datamodule=data)
    loss, accuracy = plain_scores(task, *data.datasets["val"].tensors)
    assert float(trainer.callback_metrics["val/loss"]) == pytest.approx(loss)
    assert float(trainer.callback_metrics["val/acc"]) == pytest.approx(accuracy)


def test_training_loss_of_an_epoch_is_the_mean_over_samples(
    tiny_task: object, tiny_images: type, make_trainer: object
) -> None:
    task, data = tiny_task(lr=0.0), tiny_images(batch_size=6)  # 20 = 6 + 6 + 6 + 2 images, and the weights stay
    trainer = make_trainer()
    trainer.fit(task, datamodule=data)
    loss, _ = plain_scores(task, *data.datasets["train"].tensors)
    assert float(trainer.callback_metrics["train/loss"]) == pytest.approx(loss)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_loss_is_the_smoothed_cross_entropy_with_its_gradient(
    tiny_task: object, tiny_images: type, make_trainer: object, label_smoothing: float
) -> None:
    task, data = tiny_task(lr=1.0, label_smoothing=label_smoothing), tiny_images(batch_size=20)
    start = {name: value.clone() for name, value in task.net.named_parameters()}
    trainer = make_trainer(max_epochs=1, limit_val_batches=0)
    trainer.fit(task, datamodule=data)

    twin = tiny_task().net
    images, labels = data.datasets["train"].tensors
    target = (1 - label_smoothing) * F.one_hot(labels, 3) + label_smoothing / 3
    loss = -(target * twin(images).log_softmax(dim=-1)).sum(dim=-1).mean()
    loss.backward()
    assert float(trainer.callback_metrics["train/loss"]) == pytest.approx(loss.item())
    for name, parameter in twin.named_parameters():
        moved = start[name] - task.net.get_parameter(name)  # SGD with a learning rate of 1
        assert_close(moved.detach(), parameter.grad, atol=1e-5, rtol=1e-4)


def test_validation_is_not_smoothed(tiny_task: object, tiny_images: type, make_trainer: object) -> None:
    scores = [
        make_trainer().validate(tiny_task(label_smoothing=smoothing), datamodule=tiny_images(), verbose=False)
        for smoothing in (0.0, 0.5)
    ]
    assert scores[0] == scores[1]


def test_predict_gives_classes_and_probabilities(tiny_task: object, tiny_images: type, make_trainer: object) -> None:
    task, data = tiny_task(), tiny_images()
    batches = make_trainer().predict(task, datamodule=data)
    assert [len(batch["class"]) for batch in batches] == [4, 3]
    predicted, probability, probabilities = (
        torch.cat([batch[key] for batch in batches]) for key in ("class", "probability", "probabilities")
    )
    assert predicted.shape == probability.shape == (7,) and probabilities.shape == (7, 3)
    assert_close(probabilities.sum(dim=-1), torch.ones(7))
    with torch.no_grad():
        expected = task.net(data.datasets["test"].tensors[0]).exp()
    assert_close(probabilities, expected / expected.sum(dim=-1, keepdim=True))
    assert torch.equal(predicted, expected.argmax(dim=-1))
    assert torch.equal(probability, probabilities.max(dim=-1).values)


def test_forward_is_the_network(tiny_task: object) -> None:
    task, images = tiny_task(), torch.rand(2, 1, 8, 8)
    assert torch.equal(task(images), task.net(images))


def test_probabilities_of_a_network_of_low_precision_are_single_precision(tiny_vit: object) -> None:
    task = LitImageClassifier(tiny_vit().bfloat16(), num_classes=3)
    predicted = task.predict_step((torch.rand(4, 1, 8, 8).bfloat16(),), 0)
    assert predicted["probabilities"].dtype == torch.float32
    assert_close(predicted["probabilities"].sum(dim=-1), torch.ones(4))


@pytest.mark.parametrize(
    ("in_data", "in_task", "in_net"),
    [(4, 3, 3), (3, 4, 3), (3, 3, 4), (3, 2, 2)],
)
def test_classes_that_do_not_fit_together_are_refused_before_training(
    tiny_vit: object, tiny_images: type, make_trainer: object, in_data: int, in_task: int, in_net: int
) -> None:
    data = tiny_images()
    data.num_classes = in_data
    task = LitImageClassifier(tiny_vit(num_classes=in_net), num_classes=in_task)
    message = (
        f"the data has {in_data} classes, the task num_classes={in_task} and the network {in_net} outputs: "
        f"set model.num_classes and model.net.num_classes to {in_data}"
    )
    with pytest.raises(ValueError, match=message):
        make_trainer().fit(task, datamodule=data)


def test_a_network_need_not_say_its_classes(tiny_images: type, make_trainer: object) -> None:
    trainer = make_trainer(fast_dev_run=True)
    trainer.fit(LitImageClassifier(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), 3), datamodule=tiny_images())
    assert trainer.global_step == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, "num_classes must be at least 2, but it is 1"),
        ({"label_smoothing": 1.0}, r"label_smoothing must be in \[0, 1\), but it is 1.0"),
        ({"label_smoothing": -0.1}, r"label_smoothing must be in \[0, 1\), but it is -0.1"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LitImageClassifier(nn.Identity(), **arguments)
