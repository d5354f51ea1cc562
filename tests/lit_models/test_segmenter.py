"""The segmenter's losses and scores against plain computations over a whole split, in tiles and at another size."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from tiny_segmentation import VOID, TinyMasks, task_of, tiny_unet
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close
from torch.utils.data import DataLoader
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score, MulticlassJaccardIndex

from datamodules import ShapesDataModule
from lit_models import LitSegmenter
from lit_models.boundary import BoundaryFScore
from lit_models.overlap import dice_loss
from nets import UNet, tiled_logits

KNOWN = {"num_classes": 3, "ignore_index": VOID}


def expected_scores(logits: Tensor, masks: Tensor) -> dict[str, float]:
    """Those of torchmetrics over a whole split."""
    predicted, masks = logits.argmax(dim=1), masks.long()
    assert set(predicted.unique().tolist()) == {0, 1, 2}
    scores = {
        "iou": MulticlassJaccardIndex(**KNOWN)(predicted, masks),
        "dice": MulticlassF1Score(**KNOWN, average="macro")(predicted, masks),
        "acc": MulticlassAccuracy(**KNOWN, average="micro")(predicted, masks),
    }
    return {name: score.item() for name, score in scores.items()}


def of_test_alone(logits: Tensor, masks: Tensor) -> dict[str, float]:
    predicted, masks = logits.argmax(dim=1), masks.long()
    ious = MulticlassJaccardIndex(**KNOWN, average="none")(predicted, masks).tolist()
    scores = {f"iou_{name}": iou for name, iou in zip(TinyMasks.class_names, ious, strict=True)}
    boundary = BoundaryFScore()
    boundary.update(predicted, masks)
    return {**scores, "boundary_f": boundary.compute().item()}


def near(scores: dict[str, float], split: str) -> dict[str, object]:
    return {f"{split}/{name}": pytest.approx(score, abs=1e-6) for name, score in scores.items()}


@pytest.mark.parametrize("void", [0.0, 0.4])
@pytest.mark.parametrize("split", ["val", "test"])
def test_scores_of_an_epoch_are_those_of_the_whole_split(make_trainer: Callable, split: str, void: float) -> None:
    task, data, trainer = task_of(), TinyMasks(void), make_trainer()  # 7 = 4 + 3 and 5 = 4 + 1 images
    run = trainer.validate if split == "val" else trainer.test
    (metrics,) = run(task, datamodule=data, verbose=False)
    images, masks = data.datasets[split].tensors
    with torch.no_grad():
        logits = task.net.eval()(images)
    expected = expected_scores(logits, masks) | (of_test_alone(logits, masks) if split == "test" else {})
    del metrics[f"{split}/loss"]
    assert metrics == near(expected, split)


@pytest.mark.parametrize("void", [0.0, 0.4])
def test_the_loss_of_an_epoch_is_that_of_all_known_pixels_of_the_split(make_trainer: Callable, void: float) -> None:
    losses = []
    for eval_batch_size in (4, 7):
        task, data = task_of(), TinyMasks(void, eval_batch_size=eval_batch_size)
        (metrics,) = make_trainer().validate(task, datamodule=data, verbose=False)
        losses.append(metrics["val/loss"])
    images, masks = data.datasets["val"].tensors
    with torch.no_grad():
        expected = F.cross_entropy(task.net.eval()(images), masks.long(), ignore_index=VOID).item()
    assert losses == pytest.approx([expected] * 2, rel=1e-5)


def test_scores_start_afresh_in_each_epoch(make_trainer: Callable) -> None:
    task, data, trainer = task_of(), TinyMasks(0.2), make_trainer(max_epochs=2)
    trainer.fit(task, datamodule=data)
    images, masks = data.datasets["val"].tensors
    with torch.no_grad():
        expected = expected_scores(task.net.eval()(images), masks)
    logged = {name: float(trainer.callback_metrics[f"val/{name}"]) for name in expected}
    assert logged == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("loss", ["cross_entropy", "dice", "cross_entropy+dice"])
def test_the_loss_is_that_of_its_name_without_void_pixels(make_trainer: Callable, loss: str) -> None:
    task, data = task_of(lr=1.0, loss=loss), TinyMasks(0.4, batch_size=10)
    trainer = make_trainer(limit_val_batches=0)
    trainer.fit(task, datamodule=data)  # one step

    twin, (images, masks) = tiny_unet(), data.datasets["train"].tensors
    start = {name: value.detach().clone() for name, value in twin.named_parameters()}
    logits, masks = twin(images), masks.long()
    known = masks != VOID
    entropy = -logits.log_softmax(dim=1).gather(1, masks.where(known, 0)[:, None])[:, 0][known].mean()
    parts = {"cross_entropy": entropy, "dice": dice_loss(logits, masks)}
    expected = sum(parts[name] for name in loss.split("+"))
    expected.backward()
    assert float(trainer.callback_metrics["train/loss"]) == pytest.approx(expected.item())
    for name, parameter in twin.named_parameters():
        moved = start[name] - task.net.get_parameter(name).detach()
        assert_close(moved, parameter.grad, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("loss", ["cross_entropy", "dice", "cross_entropy+dice"])
def test_void_pixels_have_no_gradient_and_void_alone_a_finite_loss(loss: str) -> None:
    task, generator = task_of(loss=loss), torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 4, generator=generator).requires_grad_()
    masks = torch.randint(3, (2, 4, 4), generator=generator)
    masks[:, :2] = VOID
    (gradient,) = torch.autograd.grad(task._loss(logits, masks), logits)
    assert (gradient[:, :, :2] == 0).all() and (gradient[:, :, 2:] != 0).all()
    batch = torch.rand(2, 1, 4, 4), torch.full((2, 4, 4), VOID, dtype=torch.uint8)
    of_void = task.training_step(batch, 0)
    of_void.backward()
    assert of_void == 0
    assert all((parameter.grad == 0).all() for parameter in task.net.parameters())


def test_losses_are_taken_in_single_precision() -> None:
    logits, masks = torch.randn(2, 3, 64, 64), torch.randint(3, (2, 64, 64))
    task = task_of(loss="cross_entropy+dice")
    loss = task._loss(logits.bfloat16(), masks)
    assert loss.dtype == torch.float32
    assert_close(loss, task._loss(logits.bfloat16().float(), masks))


def test_large_images_are_evaluated_in_tiles(make_trainer: Callable) -> None:
    data = TinyMasks()
    task = task_of(tile_size=8, tile_overlap=3)
    (metrics,) = make_trainer().test(task, datamodule=data, verbose=False)
    images, masks = data.datasets["test"].tensors
    with torch.no_grad():
        logits = tiled_logits(task.net.eval(), images, 8, 3)
        assert (logits - task.net(images)).abs().max() > 1e-3
        assert torch.equal(task(images), logits) and torch.equal(task.segment(images), logits)
    expected = expected_scores(logits, masks) | of_test_alone(logits, masks)
    expected["loss"] = F.cross_entropy(logits, masks.long()).item()
    assert metrics == near(expected, "test")


def test_training_and_images_that_fit_in_a_tile_take_no_tiles() -> None:
    seen = []
    net = nn.Conv2d(1, 3, 3, padding=1)
    net.register_forward_pre_hook(lambda module, inputs: seen.append(tuple(inputs[0].shape[2:])))
    task = task_of(net=net, tile_size=8, tile_overlap=2)
    task.training_step((torch.rand(1, 1, 12, 12), torch.zeros(1, 12, 12).byte()), 0)
    task.segment(torch.rand(1, 1, 8, 7))
    assert seen == [(12, 12), (8, 7)]
    task.segment(torch.rand(1, 1, 5, 14))
    assert seen[2:] == [(5, 8), (5, 8)]


@pytest.mark.parametrize("sides", [(20, 12), (5, 6), (12, 12)])
def test_images_of_another_size_are_evaluated_at_that_of_the_network(sides: tuple[int, int]) -> None:
    task, images, seen = task_of(input_size=12).eval(), torch.rand(2, 1, *sides), []
    task.net.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        logits = task.segment(images)
    assert logits.shape == (2, 3, *sides)
    (resized,) = seen
    assert resized.shape == (2, 1, 12, 12)
    with torch.no_grad():
        expected = task.net(F.interpolate(images, (12, 12), mode="bilinear", antialias=True))
    assert_close(logits, F.interpolate(expected, sides, mode="bilinear"))
    if sides == (12, 12):
        assert torch.equal(resized, images)


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
@pytest.mark.parametrize("arguments", [{}, {"tile_size": 8, "tile_overlap": 3}, {"input_size": 8}])
def test_evaluates_in_low_precision(make_trainer: Callable, arguments: dict, precision: str) -> None:
    task, data = task_of(**arguments), TinyMasks(0.2)
    (metrics,) = make_trainer(precision=precision).test(task, datamodule=data, verbose=False)
    images, masks = data.datasets["test"].tensors
    with torch.no_grad():
        exact = expected_scores(task_of(**arguments).eval().segment(images), masks)
    assert {name: metrics[f"test/{name}"] for name in exact} == pytest.approx(exact, abs=0.03)


def test_predictions_are_pictures_of_the_size_of_the_image(make_trainer: Callable) -> None:
    task, data = task_of(tile_size=8, tile_overlap=3), TinyMasks()
    batches = make_trainer().predict(task, datamodule=data)
    assert [len(batch["mask"]) for batch in batches] == [4, 1]
    mask, overlay, share = (torch.cat([batch[key] for batch in batches]) for key in ("mask", "overlay", "share"))
    assert mask.shape == (5, 12, 12) and mask.dtype == torch.uint8
    assert overlay.shape == (5, 3, 12, 12) and overlay.dtype == torch.uint8
    images = data.datasets["test"].tensors[0]
    with torch.no_grad():
        predicted = task.eval().segment(images).argmax(dim=1)
    assert torch.equal(mask.long(), predicted)
    expected = torch.stack([(predicted == label).float().mean(dim=(1, 2)) for label in range(3)], dim=1)
    assert_close(share, expected)


def test_a_checkpoint_reloads_without_pickled_objects(make_trainer: Callable, tmp_path: Path) -> None:
    arguments = {"loss": "cross_entropy+dice", "tile_size": 8, "tile_overlap": 3, "boundary_tolerance": 1}
    task, data, trainer = task_of(**arguments), TinyMasks(), make_trainer()
    trainer.fit(task, datamodule=data)
    before = trainer.test(task, datamodule=data, verbose=False)
    trainer.save_checkpoint(tmp_path / "task.ckpt")
    saved = torch.load(tmp_path / "task.ckpt", weights_only=True)
    defaults = {"num_classes": 3, "ignore_index": 255, "input_size": None, "scheduler": None}
    assert saved["hyper_parameters"] == {**defaults, **arguments}
    assert all(name.startswith("net.") for name in saved["state_dict"])
    again = LitSegmenter.load_from_checkpoint(tmp_path / "task.ckpt", net=tiny_unet(), weights_only=True)
    assert make_trainer().test(again, datamodule=data, verbose=False) == before


@pytest.mark.parametrize(("in_data", "in_task", "in_net"), [(4, 3, 3), (3, 4, 3), (3, 3, 4), (3, 2, 2)])
def test_classes_that_do_not_fit_together_are_refused_before_training(
    make_trainer: Callable, in_data: int, in_task: int, in_net: int
) -> None:
    data, task = TinyMasks(), task_of(net=tiny_unet(num_classes=in_net), num_classes=in_task)
    data.num_classes = in_data
    message = f"the data has {in_data} classes, the task num_classes={in_task} and the network {in_net} outputs: set"
    with pytest.raises(ValueError, match=message):
        make_trainer().fit(task, datamodule=data)


def test_without_names_the_classes_are_numbers(make_trainer: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TinyMasks, "class_names", None)
    task = task_of(boundary_tolerance=None)
    (metrics,) = make_trainer().test(task, datamodule=TinyMasks(), verbose=False)
    assert set(metrics) == {f"test/{name}" for name in ("loss", "iou", "dice", "acc", "iou_0", "iou_1", "iou_2")}


def test_a_class_that_is_nowhere_is_left_out_of_the_mean(make_trainer: Callable) -> None:
    net = tiny_unet(num_classes=4)
    net.output.bias.data[3] = -1e9  # never predicted, and in no mask
    data = TinyMasks()
    data.num_classes = 3
    (metrics,) = make_trainer().test(task_of(net=net, num_classes=4), datamodule=data, verbose=False)
    assert metrics["test/iou"] == pytest.approx(sum(metrics[f"test/iou_{name}"] for name in data.class_names) / 3)
    assert all(math.isfinite(value) for value in metrics.values())


def test_a_batch_of_void_alone_weighs_nothing_in_the_loss(make_trainer: Callable) -> None:
    losses = []
    for eval_batch_size in (1, 7):  # one by one, and all together
        data = TinyMasks(eval_batch_size=eval_batch_size)
        data.setup("validate")
        data.datasets["val"].tensors[1][[0, 3]] = VOID
        losses.append(make_trainer().validate(task_of(), datamodule=data, verbose=False)[0]["val/loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, r"num_classes must be at least 2, but it is 1\."),
        ({"loss": "focal"}, r'loss must be one of cross_entropy, dice, cross_entropy\+dice, but it is "focal"\.'),
        ({"ignore_index": 2}, r"ignore_index must be no class, 0 … 2, but it is 2\."),
        ({"tile_size": 0}, r"tile_size must be at least 1 and overlap in \[0, tile_size\), but they are 0 and 32\."),
        ({"tile_size": 32}, r"tile_size must be at least 1 and overlap in \[0, tile_size\), but they are 32 and 32\."),
        ({"input_size": 0}, r"input_size must be at least 1 and stand without tile_size, but they are 0 and None\."),
        (
            {"input_size": 8, "tile_size": 64},
            r"must be at least 1 and stand without tile_size, but they are 8 and 64\.",
        ),
        ({"boundary_tolerance": -1}, r"tolerance must be at least 0 pixels, but it is -1\."),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        task_of(**arguments)


def test_a_tiny_unet_learns_tiny_shapes_by_heart(make_trainer: Callable) -> None:
    data = ShapesDataModule(
        task="segment", image_size=16, num_classes=3, num_objects=2, num_train=6, num_eval=6, batch_size=6, noise=0.0
    )
    torch.manual_seed(0)
    task = LitSegmenter(UNet(1, 3, 6, 2), 3, "cross_entropy+dice", optimizer=partial(torch.optim.Adam, lr=0.02))
    data.setup("fit")
    batches = list(data.train_dataloader())  # one
    make_trainer(logger=False).fit(task, train_dataloaders=DataLoader(60 * batches, batch_size=None))
    (metrics,) = make_trainer().validate(task, dataloaders=DataLoader(batches, batch_size=None), verbose=False)
    assert metrics["val/iou"] > 0.95 and metrics["val/loss"] < 0.1
