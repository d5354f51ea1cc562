"""Pictures of attention: which are written, what they show, and what they refuse."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from callbacks import AttentionMaps
from callbacks import attention_maps as module
from lit_models import LitImageClassifier
from nets import attention_rollout

pytestmark = pytest.mark.usefixtures("coarse_figures")


def figures(trainer: object) -> list[str]:
    return sorted(path.name for path in (Path(trainer.logger.log_dir) / "figures").glob("*"))


def test_draws_when_training_and_testing_end(tiny_task: Callable, tiny_images: type, make_trainer: Callable) -> None:
    trainer, task, data = make_trainer(max_epochs=2, callbacks=[AttentionMaps()]), tiny_task(), tiny_images()
    trainer.fit(task, datamodule=data)
    assert figures(trainer) == ["attention_rollout_val_10.png", "attention_val_10.png"]
    assert (Path(trainer.logger.log_dir) / "figures" / "attention_val_10.png").read_bytes().startswith(b"\x89PNG")
    trainer.test(task, datamodule=data, verbose=False)
    assert {name.rpartition("_")[0] for name in figures(trainer)} >= {"attention_test", "attention_rollout_test"}


def test_draws_every_so_many_epochs(
    tiny_task: Callable, tiny_images: type, make_trainer: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = []
    for name in ("draw_attention", "draw_rollout"):
        monkeypatch.setattr(module, name, lambda *arguments: None)
    monkeypatch.setattr(module, "save_figure", lambda figure, name, trainer: saved.append((name, trainer.global_step)))
    trainer = make_trainer(max_epochs=5, callbacks=[AttentionMaps(every_n_epochs=2)])
    trainer.fit(tiny_task(), datamodule=tiny_images())
    steps = [10, 20, 25]  # after epochs 2 and 4, and at the end
    assert saved == [(name, step) for step in steps for name in ("attention_val", "attention_rollout_val")]


@pytest.mark.parametrize("index", [2, 100])
def test_shows_the_chosen_images_with_their_labels_and_their_attention(
    tiny_task: Callable, tiny_images: type, make_trainer: Callable, monkeypatch: pytest.MonkeyPatch, index: int
) -> None:
    seen = {}

    def note(name: str) -> Callable:
        draw = getattr(module, name)
        return lambda *arguments: seen.setdefault(name, arguments) and draw(*arguments)

    for name in ("draw_attention", "draw_rollout"):
        monkeypatch.setattr(module, name, note(name))
    task, data = tiny_task(dropout=0.5), tiny_images()
    callback = AttentionMaps(index=index, num_examples=3)
    make_trainer(callbacks=[callback]).test(task, datamodule=data, verbose=False)

    first = min(index, 6)  # the last image stands in for one beyond the end
    images, labels = (tensor[first : first + 3] for tensor in data.datasets["test"].tensors)
    with torch.no_grad():
        logits, weights = task.net.eval()(images, return_weights=True)
    read = logits.argmax(dim=-1)
    titles = [f"label {data.class_names[i]}, read as {data.class_names[j]}" for i, j in zip(labels, read, strict=True)]
    shown, maps, title = seen["draw_attention"]
    assert torch.equal(shown, images[0]) and title == f"TinyImages, test: {titles[0]}"
    assert maps.shape == (2, 2, 2, 2)  # layers, heads, rows and columns of patches
    assert_close(maps[1, 0].flatten(), weights[1][0, 0, 0, 1:])
    shown, rollout, shown_titles = seen["draw_rollout"]
    assert torch.equal(shown, images) and shown_titles == titles
    assert_close(rollout.flatten(1), attention_rollout(weights)[:, 0, 1:])


@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
def test_draws_in_every_precision(
    tiny_task: Callable, tiny_images: type, make_trainer: Callable, precision: str
) -> None:
    trainer = make_trainer(precision=precision, callbacks=[AttentionMaps()])
    trainer.test(tiny_task(), datamodule=tiny_images(), verbose=False)
    assert len(figures(trainer)) == 2


def test_a_network_without_attention_is_refused(tiny_images: type, make_trainer: Callable) -> None:
    task = LitImageClassifier(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), num_classes=3)
    with pytest.raises(ValueError, match=r"a network with attention_to_patches, .* but the network is Sequential"):
        make_trainer(callbacks=[AttentionMaps()]).fit(task, datamodule=tiny_images())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"index": -1}, "index must be at least 0, but it is -1"),
        ({"num_examples": 0}, "num_examples must be at least 1, but it is 0"),
        ({"every_n_epochs": 0}, "every_n_epochs must be at least 1, but it is 0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AttentionMaps(**arguments)
