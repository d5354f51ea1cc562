"""What a config states for a class in whose place another came is named, and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from running import DIGITS, FEW, NO_PICTURES, ROOT, Lab

from lab.commands.command_line import CommandLine
from lab.commands.dropped_keys import dropped_keys


def spec(class_path: str, **arguments: Any) -> dict[str, Any]:
    return {"class_path": class_path, "init_args": arguments}


def sentences(folder: Path, final: dict[str, Any], *layers: dict[str, Any], words: tuple[str, ...] = ()) -> list[str]:
    files = [folder / f"{number}.yaml" for number in range(len(layers))]
    for file, layer in zip(files, layers, strict=True):
        file.write_text(yaml.safe_dump(layer), encoding="utf-8")
    return dropped_keys(CommandLine("fit", list(map(str, files)), list(words)), final)


MAP = {"data": spec("a.Map", fold=2, batch_size=4, turn=spec("b.Turn", degrees=10))}


@pytest.mark.parametrize(
    ("final", "expected"),
    [
        (MAP, []),
        ({"data": spec("a.List", batch_size=4)}, ["Left out, since data is a.List now: data.fold, data.turn."]),
        ({"data": spec("a.Map", fold=2, batch_size=4, turn=None)}, []),
        (
            {"data": spec("a.Map", fold=2, batch_size=4, turn=spec("b.Flip"))},
            ["Left out, since data.turn is b.Flip now: data.turn.degrees."],
        ),
        ({"data": {"class_path": "a.Free", "dict_kwargs": {"fold": 2, "batch_size": 4, "turn": None}}}, []),
    ],
)
def test_what_another_class_does_not_take_is_named(tmp_path: Path, final: dict, expected: list[str]) -> None:
    assert sentences(tmp_path, final, MAP) == expected


def test_typed_values_and_all_files_are_looked_at(tmp_path: Path) -> None:
    final = {"data": spec("a.Third", batch_size=4), "trainer": {"logger": spec("c.Rows"), "callbacks": []}}
    layer = {
        "data": spec("a.Second", width=1),
        "trainer": {"logger": spec("c.Events", graph=True), "callbacks": [spec("d.Draw", step=2)]},
    }
    words = ("--data.init_args.noise=0.5", f"--data={json.dumps(spec('a.Third', batch_size=4))}")
    assert sentences(tmp_path, final, MAP, layer, words=words) == [
        "Left out, since data is a.Third now: data.fold, data.noise, data.turn, data.width.",
        "Left out, since trainer.logger is c.Rows now: trainer.logger.graph.",
    ]


def test_a_run_says_once_what_it_leaves_out(lab: Lab, tmp_path: Path) -> None:
    layer = {"model": {"init_args": {"optimizer": spec("torch.optim.AdamW", lr=0.1, betas=[0.9, 0.99])}}}
    (tmp_path / "layer.yaml").write_text(yaml.safe_dump(layer))
    words = ["--trainer.fast_dev_run=true", "--config", "layer.yaml", "--model.optimizer=torch.optim.SGD"]
    assert lab("fit", *DIGITS, *FEW, NO_PICTURES, *words) == 0
    assert [line for line in lab.out.splitlines() if "Left out" in line] == [
        "Left out, since model.optimizer is torch.optim.SGD now: model.optimizer.betas."
    ]
    mnist = ["--config", str(ROOT / "configs" / "vit_mnist.yaml"), "--data=GaussianDataModule"]
    lab("fit", *mnist, *FEW, NO_PICTURES)  # which cannot learn from it
    assert "data.augmentation, data.dataset, data.val_fraction." in lab.out
