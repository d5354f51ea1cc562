"""The language model: its loss token by token, its scores language by language, and the names it writes."""

import math
from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path

import pytest
import torch
from torch import Tensor

import lit_models.language_model
from datamodules import SurnamesDataModule
from lit_models import LitLanguageModel
from nets import RecurrentLanguageModel

LISTS = {
    "Czech": ["Novak", "Dvorak", "Horak", "Polak", "Sedlak", "Zelak", "Malak", "Hudak"],
    "Irish": ["Obrien", "Oshea", "Odea", "Ohara", "Okeefe", "Oneill"],
    "Italian": ["Rossini", "Bellini", "Puccini", "Martini", "Morini", "Fellini", "Bini", "Orsini", "Tini", "Vini"],
}


@pytest.fixture
def data(tmp_path: Path) -> SurnamesDataModule:
    for language, names in LISTS.items():
        (tmp_path / f"{language}.txt").write_text("\n".join(names), encoding="utf-8")
    fractions = {"val_fraction": 0.4, "test_fraction": 0.3}
    return SurnamesDataModule("files", str(tmp_path), batch_size=3, eval_batch_size=3, **fractions)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    sentences: list[str] = []
    monkeypatch.setattr(lit_models.language_model, "rank_zero_info", sentences.append)
    return sentences


def writer(num_conditions: int = 3, lr: float = 0.1, **arguments: object) -> LitLanguageModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = RecurrentLanguageModel(58, num_conditions, 4, 12)
    return LitLanguageModel(net, optimizer=partial(torch.optim.Adam, lr=lr), **{"max_length": 12, **arguments})


def nats_one_by_one(task: LitLanguageModel, data: SurnamesDataModule, split: str) -> dict[int, list[float]]:
    """By language the nats of every character and every end, each name read alone, a step at a time."""
    net, nats = task.net.eval(), {0: [], 1: [], 2: []}
    for tokens, length, language in zip(*data.datasets[split].tensors, strict=True):
        state, last = net.initial_state(language[None]), torch.zeros(1, dtype=torch.long)
        for token in [*tokens[:length], torch.tensor(0)]:
            log_probs, state = net.step(last, state)
            nats[int(language)].append(-float(log_probs[0, token]))
            last = token[None]
    return nats


@torch.no_grad()
@pytest.mark.parametrize("split", ["val", "test"])
def test_scores_are_means_over_the_characters_and_ends_of_all_names(
    data: SurnamesDataModule, make_trainer: Callable, split: str
) -> None:
    task, trainer = writer(), make_trainer()
    run = trainer.validate if split == "val" else trainer.test
    (metrics,) = run(task, datamodule=data, verbose=False)
    by_language = nats_one_by_one(task, data, split)
    everything = list(chain(*by_language.values()))
    loss = sum(everything) / len(everything)
    assert metrics[f"{split}/loss"] == pytest.approx(loss)
    assert metrics[f"{split}/perplexity"] == pytest.approx(math.exp(loss))
    assert metrics[f"{split}/bits_per_char"] == pytest.approx(loss / math.log(2))
    own = {name: value for name, value in metrics.items() if name.startswith("test/bits_per_char/")}
    assert own == {
        f"test/bits_per_char/{name}": pytest.approx(sum(nats) / len(nats) / math.log(2))
        for name, nats in zip(LISTS, by_language.values(), strict=True)
        if split == "test" and nats
    }


def test_the_training_loss_of_an_epoch_counts_each_character_once(
    data: SurnamesDataModule, make_trainer: Callable
) -> None:
    task, trainer = writer(lr=0.0), make_trainer()
    trainer.fit(task, datamodule=data)
    with torch.no_grad():
        everything = list(chain(*nats_one_by_one(task, data, "train").values()))
    assert float(trainer.callback_metrics["train/loss"]) == pytest.approx(sum(everything) / len(everything))


def test_scores_start_afresh_in_each_epoch(data: SurnamesDataModule, make_trainer: Callable) -> None:
    task, trainer = writer(), make_trainer(max_epochs=3)
    trainer.fit(task, datamodule=data)
    with torch.no_grad():
        everything = list(chain(*nats_one_by_one(task, data, "val").values()))
    assert float(trainer.callback_metrics["val/loss"]) == pytest.approx(sum(everything) / len(everything))


@pytest.fixture
def trained(data: SurnamesDataModule, make_trainer: Callable) -> LitLanguageModel:
    """Knows its training names by heart, and that they depend on the language."""
    task, data.batch_size = writer(lr=0.03, beam_width=4), 12
    make_trainer(max_epochs=60, limit_val_batches=0).fit(task, datamodule=data)
    return task.eval()


def written(task: LitLanguageModel, data: SurnamesDataModule, make_trainer: Callable, **wanted: object) -> dict:
    for name, value in wanted.items():
        setattr(data, name, value)
    torch.manual_seed(0)
    batches = make_trainer().predict(task, datamodule=data)  # of three rows
    return {name: [value for batch in batches for value in batch[name]] for name in batches[0]}


def log_prob_of(task: LitLanguageModel, text: str, language: int, data: SurnamesDataModule) -> float:
    """The sum over the characters and the end."""
    data.names, data.num_written = [text], None
    tokens, *_ = next(iter(data.predict_dataloader()))
    with torch.no_grad():
        logits = task.net(torch.nn.functional.pad(tokens, (1, 0)), torch.tensor([language])).log_softmax(dim=-1)[0]
    ends: Tensor = torch.cat([tokens[0], torch.zeros(1, dtype=torch.long)])
    return float(logits[torch.arange(len(ends)), ends].sum())


def test_it_writes_names_of_the_language_asked_for_and_says_which_are_new(
    trained: LitLanguageModel, data: SurnamesDataModule, make_trainer: Callable, told: list[str]
) -> None:
    columns = written(trained, data, make_trainer, languages=["Italian", "Czech"], num_written=3)
    assert columns["language"] == ["Italian"] * 3 + ["Czech"] * 3
    known = data.training_names()
    new = {}
    for way, count in {"greedy": 2, "beam": 6, "sample": 6}.items():
        texts = [text for text in columns[way] if text]
        is_new = [text not in known for text in texts]
        assert len(texts) == count
        assert [
            mark == "new" for text, mark in zip(columns[way], columns[f"{way}_is_new"], strict=True) if text
        ] == is_new
        new[way] = f"{way} {sum(is_new)} of {count}"
    assert told[-1] == f"New, not among the training names: {', '.join(new.values())}."
    assert all(text.endswith("ni") for text in columns["beam"][:3])
    assert all(text.endswith("ak") for text in columns["beam"][3:])


def test_log_probabilities_are_those_of_the_network_and_beams_fall_from_the_best(
    trained: LitLanguageModel, data: SurnamesDataModule, make_trainer: Callable, told: list[str]
) -> None:
    columns = written(trained, data, make_trainer, languages=["Italian"], num_written=4)
    assert columns["greedy_log_prob"][1:] == [""] * 3  # one greedy name only
    assert columns["beam_log_prob"] == sorted(columns["beam_log_prob"], reverse=True)
    assert len(set(columns["beam"])) == 4
    assert columns["beam_log_prob"][0] >= columns["greedy_log_prob"][0] - 1e-6
    for way in ("greedy", "beam", "sample"):
        for text, log_prob in zip(columns[way], columns[f"{way}_log_prob"], strict=True):
            if text:
                assert log_prob == pytest.approx(log_prob_of(trained, text, 2, data), abs=1e-4)


def test_more_names_than_beams_widen_the_beam(
    data: SurnamesDataModule, make_trainer: Callable, told: list[str]
) -> None:
    columns = written(writer(beam_width=1), data, make_trainer, num_written=5)
    assert len(columns["beam"]) == 15 and all(isinstance(value, float) for value in columns["beam_log_prob"])
    assert all(len(set(columns["beam"][first : first + 5])) == 5 for first in (0, 5, 10))


def test_cold_samples_are_the_greedy_names(
    trained: LitLanguageModel, data: SurnamesDataModule, make_trainer: Callable, told: list[str]
) -> None:
    trained.temperature = 1e-3
    columns = written(trained, data, make_trainer, num_written=1)
    assert columns["sample"] == columns["greedy"]


def test_more_languages_than_conditions_are_refused_before_training(
    data: SurnamesDataModule, make_trainer: Callable
) -> None:
    message = "the data has 3 languages and the network num_conditions=2: set model.net.num_conditions to 3"
    with pytest.raises(ValueError, match=message):
        make_trainer().fit(writer(2), datamodule=data)


def test_a_generator_must_know_how_much_to_write(data: SurnamesDataModule, make_trainer: Callable) -> None:
    with pytest.raises(ValueError, match=r"a generator must know how many texts it is to write: set data.num_written"):
        make_trainer().predict(writer(), datamodule=data)


def test_what_is_impossible_is_no_name(data: SurnamesDataModule, make_trainer: Callable, told: list[str]) -> None:
    columns = written(writer(max_length=1), data, make_trainer, languages=["Irish"], num_written=60)
    assert len([value for value in columns["beam_log_prob"] if value != ""]) == 58  # of one token
    assert "beam 57 of 58" in told[-1]  # the empty text is not new


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beam_width": 0}, "beam_width must be at least 1, but it is 0"),
        ({"max_length": 0}, "max_length must be at least 1, but it is 0"),
        ({"temperature": 0.0}, "temperature must be above 0, but it is 0.0"),
        ({"temperature": math.nan}, "temperature must be above 0, but it is nan"),
    ],
)
def test_arguments_out_of_range(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        writer(**arguments)


@pytest.mark.parametrize(
    ("tokens", "conditions", "message"),
    [
        (torch.ones(2, 3), [0, 1], r"tokens must be whole numbers, .* but are torch\.float32"),
        (torch.ones(2, 3).byte(), [0.0, 1.0], r"conditions must be whole numbers, .* but are torch\.float32"),
        (torch.ones(2, 3).byte(), [1, 3], r"conditions must be from 0 to 2, the 3 classes, but hold 3: subtract 1"),
        (torch.ones(2, 3).byte(), [[0], [1]], r"conditions must have 1 dimension"),
    ],
)
def test_tokens_and_conditions_that_are_no_numbers_of_theirs_are_named(
    tokens: Tensor, conditions: list, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        writer().training_step((tokens, torch.tensor([3, 2]), torch.tensor(conditions)), 0)


def test_tokens_and_conditions_may_be_bytes() -> None:
    task, tokens, lengths, conditions = writer(), torch.ones(2, 3).long(), torch.tensor([3, 2]), torch.tensor([0, 2])
    expected = task.training_step((tokens, lengths, conditions), 0)
    assert torch.equal(task.training_step((tokens.byte(), lengths, conditions.byte()), 0), expected)
