"""The same sample in two splits: by content, for pictures, names and nodes; and what a checkpoint knows of its own."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from image_files import write_membrane, write_pets
from PIL import Image
from torch import Tensor
from torch_geometric.data import Data

from datamodules import (
    DigitsDataModule,
    GaussianDataModule,
    MembraneDataModule,
    OxfordPetDataModule,
    SparseFeaturesDataModule,
    SurnamesDataModule,
    in_memory,
    oxford_pet,
)
from datamodules.split_overlap import describe_overlap, fingerprints, node_fingerprints, rows


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    sentences: list[str] = []
    for room in (in_memory, oxford_pet):
        monkeypatch.setattr(room, "rank_zero_info", sentences.append)
    return sentences


def numbers(*samples: bytes) -> Tensor:
    return fingerprints(samples)


@pytest.mark.parametrize(
    ("split", "others", "sentence"),
    [
        ("test", {"train": "abc"}, None),
        ("test", {}, None),
        ("val", {"train": "xab"}, "Of 3 validation samples 1 are also training samples (equal inputs)"),
        ("test", {"train": "xya", "val": "zz"}, "2 are also training samples and 1 are also validation samples"),
    ],
)
def test_samples_of_a_split_are_held_against_those_seen_before(split: str, others: dict, sentence: str | None) -> None:
    contents = {name: numbers(*(letter.encode() for letter in of_split)) for name, of_split in others.items()}
    found = describe_overlap(split, {split: numbers(b"x", b"y", b"z"), **contents})
    assert found is None if sentence is None else sentence in found


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_rows_are_equal_where_their_numbers_and_their_places_are(sparse: bool) -> None:
    x = torch.tensor([[0.0, 1, 2], [1, 0, 2], [0, 1, 2], [0, 0, 0], [0, 1, 3]])
    one, other, same, zero, value = fingerprints(rows(x.to_sparse_csr() if sparse else x)).tolist()
    assert one == same and len({one, other, zero, value}) == 4


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_nodes_are_the_same_where_no_message_passing_tells_them_apart(sparse: bool) -> None:
    # 0 and 1 cite 2 and nothing else; 3 has their words and cites 4, which has those of 2 but another neighbour, 5.
    x = torch.tensor([[1.0], [1], [2], [1], [2], [3]])
    edges = torch.tensor([[2, 2, 0, 1, 4, 3, 5], [0, 1, 2, 2, 3, 4, 4]])
    graph = Data(x=x.to_sparse_csr() if sparse else x, edge_index=edges)
    of_words, of_one_hop, of_two = (node_fingerprints(graph, hops).tolist() for hops in (0, 1, 2))
    assert of_words[0] == of_words[1] == of_words[3] and of_one_hop[0] == of_one_hop[1] == of_one_hop[3]
    assert of_two[0] == of_two[1] != of_two[3] and len(set(of_two)) == 5
    assert len(set(of_one_hop)) == 4  # 2 and 4 have unlike neighbours


def test_a_checkpoint_tells_what_of_the_tested_was_trained_on(
    tiny_images: type, tiny_task: Callable, make_trainer: Callable, tmp_path: Path, told: list[str]
) -> None:
    class Leaking(tiny_images):
        def load(self, training: bool) -> dict[str, tuple[Tensor, ...]]:
            images, labels = self._draw(31)
            if training:
                return {"train": (images[:20], labels[:20]), "val": (images[18:29], labels[18:29])}
            return {"test": (images[17:30], 2 - labels[17:30])}  # with other labels

    trainer = make_trainer()
    trainer.fit(tiny_task(), datamodule=Leaking())
    trainer.save_checkpoint(tmp_path / "task.ckpt")
    end = "(equal inputs): what they score says nothing of new data."
    assert told == [f"Of 11 validation samples 2 are also training samples {end}"]
    for data in (Leaking(), tiny_images()):
        told.clear()
        make_trainer().test(tiny_task(), data, ckpt_path=tmp_path / "task.ckpt", weights_only=True, verbose=False)
        shared = "3 are also training samples and 11 are also validation samples"
        tests = f"Of 13 test samples {shared} {end}"
        assert told == ([tests] if isinstance(data, Leaking) else [])


def test_a_checkpoint_from_before_knows_nothing_and_loads(tiny_images: type, told: list[str]) -> None:
    data = tiny_images()
    data.setup("test")
    data.load_state_dict({})
    assert told == [] and data.state_dict() == {}


@pytest.mark.parametrize("data", [GaussianDataModule(num_samples=100), SparseFeaturesDataModule(sparsity=0.99)])
def test_what_is_drawn_from_a_distribution_is_not_compared(data: in_memory.InMemoryDataModule, told: list[str]) -> None:
    data.setup("fit")
    assert told == [] and data.state_dict() == {}


def test_the_digits_have_no_digit_in_two_splits(told: list[str]) -> None:
    data = DigitsDataModule(flatten=True)
    for stage in ("fit", "test"):
        data.setup(stage)
    assert told == [] and {name: len(kept) for name, kept in data.state_dict()["contents"].items()} == {
        "train": 1293,
        "val": 144,
    }


def test_names_that_the_network_reads_alike_are_the_same(tmp_path: Path, told: list[str]) -> None:
    names = [f"{a}{b}" for a in "ABCDEFGHIJ" for b in ("lák", "lak", "la\u0301k")]  # 10 names, written in three ways
    (tmp_path / "Czech.txt").write_text("\n".join(names), encoding="utf-8")
    for deduplicate in (True, False):
        data = SurnamesDataModule("files", str(tmp_path), deduplicate=deduplicate, val_fraction=0.3, test_fraction=0.4)
        for stage in ("fit", "test"):
            data.setup(stage)
        split = {name: data.decode(of_split.tensors[0]) for name, of_split in data.datasets.items()}
        shared = {name: sum(one in split["train"] for one in split[name]) for name in ("val", "test")}
        assert (told == []) == deduplicate == (shared == {"val": 0, "test": 0})
    assert f"Of 9 validation samples {shared['val']} are also training samples" in told[0]
    assert f"Of 12 test samples {shared['test']} are also training samples" in told[1]


def pets(root: Path) -> OxfordPetDataModule:
    data = OxfordPetDataModule(root=str(root), image_size=16, val_fraction=0.25, batch_size=4)
    for stage in ("fit", "test"):
        data.setup(stage)
    return data


def test_a_photograph_of_two_lists_is_told_and_one_that_a_list_repeats_is_read_once(
    tmp_path: Path, told: list[str]
) -> None:
    folder = write_pets(tmp_path) / "annotations"
    assert pets(tmp_path) and told == []
    first = (folder / "trainval.txt").read_text().splitlines()[0]
    for split in ("trainval", "test"):
        with (folder / f"{split}.txt").open("a") as file:
            file.write(f"{first}\n{first}\n")
    assert {name: len(part) for name, part in pets(tmp_path).datasets.items()} == {"train": 9, "val": 3, "test": 5}
    listed = "1 photographs stand in trainval.txt and in test.txt: take them out of one of them."
    repeats = [
        f"{split}.txt names photographs again {n} times, which are passed over."
        for split, n in (("trainval", 2), ("test", 1))
    ]
    assert [sentence for sentence in told if ".txt" in sentence] == [repeats[0], listed, repeats[1]]
    assert len(told) == 4 and told[3].startswith("Of 5 test samples 1 are also ")


def test_a_photograph_under_two_names_is_the_same_however_it_is_squashed(tmp_path: Path, told: list[str]) -> None:
    images = write_pets(tmp_path) / "images"
    original = Image.open(images / "Bengal_2.jpg")
    for number in (12, 13):  # those of the test
        (name,) = images.glob(f"*_{number}.jpg")
        original.resize(Image.open(name).size).save(name)
    copied = next(images.glob("*_14.jpg"))
    shutil.copy(images / "Bengal_2.jpg", copied)
    trimaps = images.parent / "annotations" / "trimaps"
    shutil.copy(trimaps / "Bengal_2.png", trimaps / f"{copied.stem}.png")
    pets(tmp_path)
    assert len(told) == 1 and "1 are also" in told[0]


def test_a_slice_under_two_names_is_the_same_though_crops_of_it_train(tmp_path: Path, told: list[str]) -> None:
    folder = write_membrane(tmp_path) / "image"
    shutil.copy(folder / "0.png", folder / "9.png")  # trains, tests
    Image.open(folder / "1.png").save(folder / "7.png", compress_level=0)  # trains, validates
    data = MembraneDataModule(root=str(tmp_path), crop_size=24, num_val=2, fold=4)
    for stage in ("fit", "test"):
        data.setup(stage)
    assert [sentence[:54] for sentence in told] == [
        "Of 2 validation samples 1 are also training samples (e",
        "Of 2 test samples 1 are also training samples (equal i",
    ]
