"""Surnames of three small languages: their splits, their labels, and what there is to predict; and the real ones."""

from collections.abc import Callable
from itertools import chain, product
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from running import NO_PICTURES, ROOT, Lab

from datamodules import SurnamesDataModule, labeled_texts, surnames, text_splits
from datamodules.alphabet import to_ascii
from datamodules.buckets import BucketSampler
from lab import load_run
from lab.errors import LabError
from lit_models import LitSequenceClassifier
from nets import RecurrentClassifier

STEMS = ["".join(parts) for parts in product(("Ba", "De", "Ki", "Lo"), ("l", "m", "nd", "r", "st"))]
LISTS = {  # 66 names, 65 of them distinct in their language, 63 distinct at all
    "Czech": [*(f"{stem}ák" for stem in STEMS), "Martin"],
    "Irish": [*(f"O’{stem}agh" for stem in STEMS), "Kelly", "Martin", "Kelly"],
    "Italian": [*(f"{stem}ini" for stem in STEMS), "Martin", "D'Este-2", "2"],
}
ROWS = sorted((to_ascii(name)[0], language) for language, names in LISTS.items() for name in names if name != "2")

Row = tuple[str, str]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "data" / "names").mkdir(parents=True)
    for language, names in LISTS.items():
        (tmp_path / "data" / "names" / f"{language}.txt").write_text("\n".join(names), encoding="utf-8")
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    sentences: list[str] = []
    for module in (labeled_texts, text_splits):
        monkeypatch.setattr(module, "rank_zero_info", sentences.append)
    return sentences


def loaded(root: Path, *stages: str, **arguments: object) -> SurnamesDataModule:
    data = SurnamesDataModule(**{"source": "files", "root": str(root), **arguments})
    data.prepare_data()
    for stage in stages or ("fit", "test"):
        data.setup(stage)
    return data


def rows(data: SurnamesDataModule, *splits: str) -> list[Row]:
    """The names with their languages, as decoded from the tensors of some splits."""
    parts = [data.datasets[split].tensors for split in splits or ("train", "val", "test")]
    names = chain(*(data.decode(tokens) for tokens, _, _ in parts))
    return list(zip(names, (data.class_names[number] for part in parts for number in part[2].tolist()), strict=True))


def predicted(data: SurnamesDataModule) -> list[tuple]:
    data.setup("predict")
    return list(data.predict_dataloader())


def test_every_name_is_in_the_splits_once_with_its_languages(root: Path) -> None:
    data = loaded(root)
    assert sorted(rows(data)) == sorted(set(ROWS))
    assert data.class_names == ["Czech", "Irish", "Italian"] and data.num_classes == 3


@pytest.mark.parametrize("seed", range(8))
def test_no_name_is_in_two_splits_and_its_languages_are_together(root: Path, seed: int) -> None:
    data = loaded(root, seed=seed)
    names = [{name for name, _ in rows(data, split)} for split in ("train", "val", "test")]
    assert [len(of_split) for of_split in names] == [63 - 19, 6, 13]
    assert len(set.union(*names)) == 63
    assert len(set(rows(data))) == len(rows(data)) == 65
    (home,) = (split for split in ("train", "val", "test") if "Martin" in dict(rows(data, split)))
    assert [language for name, language in rows(data, home) if name == "Martin"] == ["Czech", "Irish", "Italian"]


def test_the_protocol_of_the_handout_keeps_repeats_and_splits_at_random(root: Path) -> None:
    apart = []
    for seed in range(8):
        data = loaded(root, seed=seed, deduplicate=False)
        assert [len(data.datasets[split]) for split in ("train", "val", "test")] == [66 - 20, 7, 13]
        assert sorted(rows(data)) == ROWS
        apart.append({split for split in ("train", "val", "test") if "Kelly" in dict(rows(data, split))})
    assert max(map(len, apart)) == 2


@pytest.mark.parametrize("deduplicate", [True, False])
def test_the_splits_do_not_depend_on_the_languages_asked_for(root: Path, deduplicate: bool) -> None:
    whole = loaded(root, deduplicate=deduplicate)
    for languages in (["Irish"], ["Italian", "Czech"]):
        part = loaded(root, deduplicate=deduplicate, languages=languages)
        assert part.class_names == sorted(languages) and part.num_classes == len(languages)
        for split in ("train", "val", "test"):
            assert rows(part, split) == [row for row in rows(whole, split) if row[1] in languages]


@pytest.mark.parametrize(("val_fraction", "test_fraction"), [(0.1, 0.2), (0.3, 0.1), (0.25, 0.5)])
def test_fractions_are_those_of_the_distinct_names(root: Path, val_fraction: float, test_fraction: float) -> None:
    data = loaded(root, val_fraction=val_fraction, test_fraction=test_fraction)
    sizes = [len({name for name, _ in rows(data, split)}) for split in ("val", "test")]
    assert sizes == [round(63 * (val_fraction + test_fraction)) - round(63 * test_fraction), round(63 * test_fraction)]


def test_splits_depend_on_the_seed_alone(root: Path) -> None:
    first, again, other = (rows(loaded(root, seed=seed)) for seed in (3, 3, 4))
    torch.rand(3)
    assert first == again != other


def test_one_sentence_says_what_there_is(root: Path, told: list[str]) -> None:
    loaded(root)  # the test split says nothing further
    loaded(root, "fit", deduplicate=False, languages=["Irish"])
    sentence = (
        "Surnames: 66 in 3 languages; 1 repeats within a language are {}; 1 names are in several languages. Names with "
        "most letters outside the alphabet, or none in it, are left out: 1 of Italian. Characters outside it are left "
        "out of 1 names: 2"
    )
    assert told == [sentence.format("left out"), sentence.format("kept")]


@pytest.mark.parametrize("name", ["Παπαδόπουλος", "Дем'янчук", "Иванoв", "'", "- -", "\u0301", "2"])  # the o is Latin
def test_a_language_without_a_latin_name_is_refused(root: Path, name: str) -> None:
    (root / "names" / "Other.txt").write_text(name, encoding="utf-8")
    with pytest.raises(LabError, match="no name of Other is written in the letters a–z and A–Z: write them in Latin"):
        loaded(root, "fit")
    with pytest.raises(LabError, match="has no letter in the alphabet of the network, a–z and A–Z, or most of its"):
        predicted(SurnamesDataModule(names=[name]))


def test_a_text_file_beside_the_folder_of_names_is_none_of_them(root: Path) -> None:
    (root / "to_predict.txt").write_text("Rossi", encoding="utf-8")
    assert loaded(root, "fit").class_names == sorted(LISTS)


def test_what_a_generator_has_seen_are_the_names_of_all_its_languages(root: Path) -> None:
    trained = loaded(root, "fit")
    part = loaded(root, "predict", num_written=1, languages=["Irish"])
    part.load_state_dict(trained.state_dict())
    assert part.training_names() == {name for name, _ in rows(trained, "train")}
    part.load_state_dict({"class_names": ["Irish"]})
    assert part.training_names() == {name for name, language in rows(trained, "train") if language == "Irish"}


def test_nothing_is_said_of_characters_where_none_is_left_out(root: Path, told: list[str]) -> None:
    (root / "names" / "Italian.txt").write_text("Rossi")
    loaded(root, "fit")
    assert told[0].endswith("several languages.")


def test_a_batch_is_what_the_docstring_says(root: Path) -> None:
    data = loaded(root, batch_size=8, eval_batch_size=5)
    for split, batch_size in {"train": 8, "val": 5, "test": 5}.items():
        batches = list(getattr(data, f"{split}_dataloader")())
        assert {len(batch[0]) for batch in batches[:-1]} == {batch_size}
        for tokens, lengths, labels in batches:
            assert tokens.dtype == lengths.dtype == labels.dtype == torch.int64
            assert tokens.shape == (len(labels), lengths.max()) and torch.equal(lengths, tokens.gt(0).sum(dim=1))
        names = [name for tokens, _, _ in batches for name in data.decode(tokens)]
        assert sorted(names) == sorted(name for name, _ in rows(data, split))
    sampler = data.train_dataloader().sampler
    assert isinstance(sampler, BucketSampler) and (sampler.batch_size, sampler.seed) == (8, 0)


def test_a_stage_reads_its_own_splits(root: Path) -> None:
    expected = {"fit": {"train", "val"}, "validate": {"train", "val"}, "test": {"test"}, "predict": {"test"}}
    assert {stage: set(loaded(root, stage).datasets) for stage in expected} == expected
    assert set(loaded(root, "predict", num_written=1).datasets) == {"train", "val"}
    assert loaded(root, "fit").training_names() == {name for name, _ in rows(loaded(root), "train")}


def test_faker_is_the_default_source_and_reads_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surnames, "faker_surnames", lambda: LISTS)
    monkeypatch.setattr(surnames, "download_surnames", None)
    data = SurnamesDataModule(root=str(tmp_path))
    data.prepare_data()
    data.setup("fit")
    assert len(data.datasets["train"].tensors) == 3 and data.class_names == list(LISTS)


def test_files_may_lie_in_the_root_itself_and_are_downloaded_where_there_are_none(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(surnames, "download_surnames", asked.append)
    assert rows(loaded(root / "names")) == rows(loaded(root))
    monkeypatch.setenv("ARCHLAB_DATA", str(root))
    assert SurnamesDataModule(source="files").folder == root / "names"
    assert asked == []
    with pytest.raises(LabError, match="names must hold text files such as Italian"):
        loaded(tmp_path / "empty")
    assert asked == [tmp_path / "empty" / "names"]


def test_names_to_predict_need_no_data_and_tell_what_was_left_out(tmp_path: Path, told: list[str]) -> None:
    data = loaded(tmp_path, "predict", names=["Ślusàrski", "Ω-Abe3", "O"], source="faker", eval_batch_size=2)
    (tokens, lengths, texts), (_, _, last) = data.predict_dataloader()
    assert data.decode(tokens) == ["Slusarski", "Abe"] and lengths.tolist() == [9, 3]
    assert (texts, last) == (["Ślusàrski", "Ω-Abe3"], ["O"])
    assert told == ['"Ω-Abe3" is read as "Abe": Ω, 3 is not in the alphabet.'] and data.class_names == []


def test_names_to_predict_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("Novák\n\nRossi\n", encoding="utf-8")
    ((tokens, _, texts),) = predicted(SurnamesDataModule(names=str(tmp_path / "mine.txt")))
    assert texts == ["Novák", "Rossi"] and tokens.shape == (2, 5)


def test_the_test_split_is_predicted_where_no_names_are_given(root: Path) -> None:
    data = loaded(root, eval_batch_size=6)
    batches = predicted(data)
    tested = [name for name, _ in rows(data, "test")]
    assert [len(batch) for batch in batches] == [3] * len(batches)
    assert [text for _, _, texts in batches for text in texts] == tested
    assert [name for tokens, _, _ in batches for name in data.decode(tokens)] == tested


def test_a_generator_is_to_write_in_each_language_as_often_as_asked(root: Path) -> None:
    ((languages, places),) = predicted(loaded(root, "fit", num_written=2))
    assert languages.tolist() == [0, 0, 1, 1, 2, 2] and places.tolist() == [0, 1] * 3
    data = loaded(root, "predict", num_written=3, languages=["Italian", "Czech"])
    data.load_state_dict({"class_names": ["Czech", "Irish", "Italian"]})  # those of the checkpoint
    assert [languages.tolist() for languages, _ in data.predict_dataloader()] == [[2, 2, 2, 0, 0, 0]]
    data.load_state_dict({"class_names": ["Irish", "Italian"]})
    with pytest.raises(LabError, match='languages must be among Irish, Italian, but "Czech" is not'):
        data.predict_dataloader()


def test_a_loaded_run_knows_the_languages_of_given_names(root: Path, lab: Lab) -> None:
    config = [
        "--config",
        str(ROOT / "configs" / "surname_classifier.yaml"),
        "--data.source=files",
        f"--data.root={root}",
    ]
    sizes = [
        "--model.num_classes=3",
        "--model.net.num_classes=3",
        "--model.net.hidden_size=4",
        "--trainer.max_epochs=1",
    ]
    assert lab("fit", *config, *sizes, "--data.val_fraction=0.2", "--test_after_fit=false", NO_PICTURES) == 0
    _, data = load_run(lab.run("surname_classifier"))
    assert data.class_names == sorted(LISTS)


@pytest.mark.parametrize("stage", ["fit", "validate", "test"])
def test_a_checkpoint_of_other_languages_is_refused(root: Path, stage: str) -> None:
    whole, part = loaded(root), loaded(root, stage, languages=["Irish", "Czech"])
    assert whole.state_dict()["class_names"] == ["Czech", "Irish", "Italian"]
    loaded(root, stage).load_state_dict(whole.state_dict())
    message = (
        "the checkpoint has learnt Czech, Irish, Italian, but the data have Czech, Irish: set data.source and "
        "data.languages as in its run"
    )
    with pytest.raises(LabError, match=message):
        part.load_state_dict(whole.state_dict())
    part.setup("predict")
    part.load_state_dict(whole.state_dict())
    assert part.class_names == ["Czech", "Irish", "Italian"]


def classifier() -> LitSequenceClassifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LitSequenceClassifier(RecurrentClassifier(58, 4, 2), num_classes=2)


def test_a_checkpoint_keeps_the_languages_for_names_without_data(
    root: Path, tmp_path: Path, make_trainer: Callable
) -> None:
    trainer, path = make_trainer(), tmp_path / "task.ckpt"
    trainer.fit(classifier(), datamodule=loaded(root, languages=["Irish", "Czech"]))
    trainer.save_checkpoint(path)
    data = SurnamesDataModule(source="files", root=str(tmp_path / "none"), names=["Rossi"])
    data.prepare_data = lambda: None
    (columns,) = make_trainer().predict(classifier(), data, ckpt_path=path, weights_only=True)
    assert {*columns["class_1"], *columns["class_2"]} == {"Czech", "Irish"}
    with pytest.raises(LabError, match="has learnt Czech, Irish, but the data have Irish, Italian"):
        make_trainer().test(
            classifier(), loaded(root, languages=["Irish", "Italian"]), ckpt_path=path, weights_only=True
        )


class Seen(Callback):
    """Keeps the names of every training batch."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def on_train_batch_start(self, trainer: object, pl_module: object, batch: tuple, batch_idx: int) -> None:
        self.batches.append(trainer.datamodule.decode(batch[0]))


def test_a_run_sees_every_name_once_an_epoch_also_when_it_is_resumed(
    root: Path, tmp_path: Path, make_trainer: Callable
) -> None:
    def fit(*callbacks: Callback, **resuming: object) -> list[list[str]]:
        data = loaded(root, batch_size=8, languages=["Irish", "Czech"])
        trainer = make_trainer(max_epochs=2, callbacks=[seen := Seen(), *callbacks], enable_checkpointing=True)
        trainer.fit(classifier(), datamodule=data, **resuming)
        return seen.batches

    whole = fit(ModelCheckpoint(tmp_path / "kept", "{step}", every_n_train_steps=1, save_top_k=-1))
    half = len(whole) // 2
    assert sorted(chain(*whole[:half])) == sorted(chain(*whole[half:])) and whole[:half] != whole[half:]
    for step in (1, half, half + 2):
        path = tmp_path / "kept" / f"step={step}.ckpt"
        assert fit(ckpt_path=path, weights_only=True) == whole[step:]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source": "fakr"}, 'source must be "faker" or "files", but it is "fakr"'),
        ({"val_fraction": 0.0}, "must be above 0 and together below 1, but they are 0.0 and 0.2"),
        ({"test_fraction": -0.1}, "val_fraction and test_fraction must be above 0 .* but they are 0.1 and -0.1"),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, "together below 1, but they are 0.5 and 0.5"),
        ({"languages": []}, r"languages must be null or hold something, but it is \[\]"),
        ({"names": ""}, "names must be null or hold something, but it is ''"),
        ({"num_written": 0}, "num_written must be at least 1, but it is 0"),
        ({"num_written": -3}, "num_written must be at least 1, but it is -3"),
        ({"num_written": 2, "names": ["Rossi"]}, "names are for a classifier to read and num_written is for a gene"),
        ({"batch_size": 0}, "batch_size must be at least 1, but it is 0"),
        ({"eval_batch_size": 0}, "eval_batch_size must be at least 1, but it is 0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SurnamesDataModule(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"languages": ["Irish", "Italan"]},
            'among Czech, Irish, Italian, but "Italan" is not; did you mean "Italian"',
        ),
        ({"val_fraction": 0.001}, "the split val has no name of Czech, Irish, Italian: choose other fractions"),
        ({"val_fraction": 0.02, "languages": ["Irish"]}, "the split val has no name of Irish: choose other fractions"),
        ({"names": ["Abe", "Иванов"]}, 'the name "Иванов" has no letter in the alphabet .*: write it in Latin letters'),
        ({"names": "none.txt"}, 'the file of names "none.txt" does not exist'),
    ],
)
def test_what_cannot_be_served_is_one_sentence(root: Path, arguments: dict, message: str) -> None:
    with pytest.raises(LabError, match=message):
        predicted(loaded(root, **arguments))


@pytest.mark.realdata
def test_a_seventh_of_the_real_names_that_the_handout_tests_were_seen_in_training(real_data: Path) -> None:
    if not (real_data / "names").is_dir():
        pytest.skip(f"no names in {real_data}")
    data = loaded(real_data, deduplicate=False)
    assert sum(map(len, data.datasets.values())) == 20_074 and data.num_classes == 18
    tested, seen = [name for name, _ in rows(data, "test")], data.training_names()
    assert sum(name in seen for name in tested) / len(tested) == pytest.approx(1 / 7, abs=0.02)
