"""Recurrent networks that read tokens, against torch's own modules that read one sequence at a time."""

import re
from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nets import GRU, LSTM, RNN, RecurrentClassifier, RecurrentLanguageModel, beam_search, greedy_search
from nets.recurrent import RecurrentNet

TORCHS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
OURS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
TOKENS = torch.tensor([[3, 1, 0, 4, 2], [2, 2, 4, 0, 0], [4, 0, 0, 0, 0], [1, 3, 3, 1, 0]])
LENGTHS = torch.tensor([5, 3, 1, 4])
CONDITIONS = torch.tensor([2, 0, 1, 2])
cells = pytest.mark.parametrize("cell", TORCHS)
layers = pytest.mark.parametrize("num_layers", [1, 2])
both = pytest.mark.parametrize("dropout", [0.0, 0.5])


@pytest.fixture(autouse=True)
def same_weights_each_time() -> None:
    torch.manual_seed(0)


def classifier(cell: str = "rnn", num_layers: int = 1, dropout: float = 0.0) -> RecurrentClassifier:
    return RecurrentClassifier(5, 4, 3, num_layers, dropout, cell, embed_dropout=dropout).double().eval()


def language_model(cell: str = "lstm", num_layers: int = 1, dropout: float = 0.0) -> RecurrentLanguageModel:
    return RecurrentLanguageModel(5, 3, 2, 6, num_layers, dropout, cell).double().eval()


def read_by_torch(stack: RecurrentNet, cell: str, x: Tensor) -> Tensor:
    """All states (T, H) of the last layer after one sequence (T, I), by torch's network of the same weights."""
    twin = TORCHS[cell](stack.input_size, stack.hidden_size, stack.num_layers, dtype=x.dtype)
    with torch.no_grad():
        for n, layer in enumerate(stack.recurrent_layers):
            getattr(twin, f"weight_ih_l{n}").copy_(layer.weight_ih)
            getattr(twin, f"weight_hh_l{n}").copy_(layer.weight_hh)
            getattr(twin, f"bias_ih_l{n}").copy_(layer.bias)
            getattr(twin, f"bias_hh_l{n}").zero_()
        return twin(x)[0]


@cells
@layers
@both
def test_logits_of_a_class_are_those_of_each_sequence_alone(cell: str, num_layers: int, dropout: float) -> None:
    net = classifier(cell, num_layers, dropout)
    logits = net(TOKENS, LENGTHS)
    assert logits.shape == (4, 3)
    for row, length in enumerate(LENGTHS):
        own = TOKENS[row, :length]
        states = read_by_torch(net.rnn, cell, net.embedding.weight[own])
        assert_close(logits[row], net.readout.weight @ states[-1] + net.readout.bias, rtol=0, atol=1e-13)
        assert_close(logits[row], net(own[None])[0], rtol=0, atol=1e-13)


@cells
def test_what_stands_behind_the_last_token_has_no_say(cell: str) -> None:
    net = classifier(cell, 2)
    behind = torch.arange(5) >= LENGTHS[:, None]
    random = torch.where(behind, torch.randint(5, TOKENS.shape), TOKENS)
    logits = net(TOKENS, LENGTHS)
    assert torch.equal(net(random, LENGTHS), logits)
    assert not torch.equal(net(random)[1:], logits[1:])
    assert_close(net(nn.functional.pad(TOKENS, (0, 3)), LENGTHS), logits, rtol=0, atol=1e-15)
    assert torch.equal(net(TOKENS), net(TOKENS, torch.full((4,), 5)))
    gradient = torch.autograd.grad(net(random, LENGTHS).sum(), net.embedding.weight)[0]
    assert_close(gradient, torch.autograd.grad(logits.sum(), net.embedding.weight)[0], rtol=0, atol=1e-15)


def test_the_padding_of_a_classifier_is_embedded_as_zeros_and_is_not_learned() -> None:
    net = classifier()
    assert not net.embedding.weight[0].any() and net.embedding.weight[1:].any(dim=1).all()
    net(TOKENS).sum().backward()
    assert not net.embedding.weight.grad[0].any() and net.embedding.weight.grad[1:].any(dim=1).all()
    net = language_model()  # all its tokens and conditions count
    assert net.embedding.weight.any(dim=1).all() and net.condition.weight.any(dim=1).all()


@cells
@layers
@both
def test_logits_of_next_tokens_are_those_of_each_sequence_alone(cell: str, num_layers: int, dropout: float) -> None:
    net = language_model(cell, num_layers, dropout)
    logits = net(TOKENS, CONDITIONS)
    assert logits.shape == (4, 5, 5)
    for tokens, condition, expected in zip(TOKENS, CONDITIONS, logits, strict=True):
        x = torch.cat([net.embedding.weight[tokens], net.condition.weight[condition].expand(5, -1)], dim=1)
        states = read_by_torch(net.rnn, cell, x)
        assert_close(expected, states @ net.readout.weight.T + net.readout.bias, rtol=0, atol=1e-13)
    assert_close(net(TOKENS[:, :2], CONDITIONS), logits[:, :2], rtol=0, atol=1e-13)  # no token sees those behind it


@cells
@layers
def test_steps_give_the_log_probabilities_of_the_whole_sequence(cell: str, num_layers: int) -> None:
    net = language_model(cell, num_layers)
    expected = net(TOKENS, CONDITIONS).log_softmax(dim=-1)
    state = net.initial_state(CONDITIONS)
    for time, tokens in enumerate(TOKENS.T):
        log_probs, state = net.step(tokens, state)
        assert_close(log_probs, expected[:, time], rtol=0, atol=1e-13)
        assert_close(log_probs.exp().sum(dim=1), torch.ones(4, dtype=torch.float64))


@cells
@layers
def test_states_have_the_batch_in_front_before_and_after_a_step(cell: str, num_layers: int) -> None:
    net = language_model(cell, num_layers)
    before = net.initial_state(CONDITIONS)
    after = net.step(TOKENS[:, 0], before)[1]
    for state in (before, after):
        assert torch.equal(state["conditions"], CONDITIONS)
        assert [part.shape for part in state["memory"]] == [(4, num_layers, 6)] * (2 if cell == "lstm" else 1)
        assert all(part.dtype == torch.float64 for part in state["memory"])
    assert not any(part.any() for part in before["memory"]) and all(part.all() for part in after["memory"])


@cells
def test_a_condition_changes_every_prediction_and_only_of_its_own_sequence(cell: str) -> None:
    net = language_model(cell)
    first, second = net(TOKENS, CONDITIONS), net(TOKENS, torch.tensor([1, 0, 1, 2]))
    assert (first != second).any(dim=2)[0].all() and torch.equal(first[1:], second[1:])


@cells
def test_searches_find_the_most_probable_sequences_of_a_language_model(cell: str) -> None:
    net = RecurrentLanguageModel(3, 2, 4, 5, 2, cell=cell).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(4)  # so that the past has more of a say
    start, conditions = torch.tensor([2, 0]), torch.tensor([1, 0])
    every = torch.tensor(list(product(range(3), repeat=3)))
    best = beam_search(net.step, net.initial_state(conditions), start, 27, 3, num_return=27)
    for row in range(2):
        read = torch.cat([start[row].expand(27, 1), every[:, :-1]], dim=1)
        log_probs = net(read, conditions[row].expand(27)).log_softmax(dim=-1)
        sums, order = log_probs.gather(2, every[:, :, None]).sum(dim=(1, 2)).sort(descending=True)
        assert_close(best.log_probs[row], sums.detach(), rtol=0, atol=1e-13)
        assert torch.equal(best.tokens[row], every[order])
    greedy = greedy_search(net.step, net.initial_state(conditions), start, 3)
    assert torch.equal(greedy.tokens, beam_search(net.step, net.initial_state(conditions), start, 1, 3).tokens)


@pytest.mark.parametrize(
    ("net", "of_embeddings", "of_states"),
    [
        (RecurrentClassifier(5, 32, 3, dropout=0.4), 0, 0.4),
        (RecurrentClassifier(5, 32, 3, embed_dropout=0.3), 0.3, 0),
        (RecurrentLanguageModel(5, 3, 16, 32, dropout=0.4), 0.4, 0.4),
        (RecurrentLanguageModel(5, 3, 16, 32), 0, 0),
    ],
    ids=["classifier's states", "classifier's embeddings", "language model", "language model by default"],
)
def test_only_training_drops_a_share_of_embeddings_or_states(
    net: nn.Module, of_embeddings: float, of_states: float
) -> None:
    seen, of_class = {}, isinstance(net, RecurrentClassifier)
    layer = net.rnn.recurrent_layers[0] if of_class else net.rnn
    layer.register_forward_hook(lambda _, inputs, outputs: seen.update(read=inputs[0], states=outputs[0]))
    net.readout.register_forward_pre_hook(lambda _, inputs: seen.update(told=inputs[0]))
    arguments = (TOKENS, LENGTHS if of_class else CONDITIONS)
    evaluated = net.eval()(*arguments)
    assert torch.equal(evaluated, net(*arguments))
    embedded = seen["read"]
    assert torch.equal(evaluated, net.train()(*arguments)) == (of_embeddings == of_states == 0)
    states = seen["states"][torch.arange(4), LENGTHS - 1] if of_class else seen["states"]
    for before, after, share in ((embedded, seen["read"], of_embeddings), (states, seen["told"], of_states)):
        kept = after != 0
        assert_close(after[kept], before[kept] / (1 - share))
        assert (before[~kept] != 0).sum() / (before != 0).sum() == pytest.approx(share, abs=0.1)


def test_a_classifier_drops_a_share_of_the_states_between_its_layers_too() -> None:
    net, seen = RecurrentClassifier(5, 32, 3, num_layers=2, dropout=0.4).train(), {}
    lower, upper = net.rnn.recurrent_layers
    lower.register_forward_hook(lambda _, inputs, outputs: seen.update(given=outputs[0]))
    upper.register_forward_pre_hook(lambda _, inputs: seen.update(read=inputs[0]))
    net(TOKENS, LENGTHS)
    kept = seen["read"] != 0
    assert_close(seen["read"][kept], seen["given"][kept] / 0.6)
    assert kept.float().mean() == pytest.approx(0.6, abs=0.1)
    assert torch.equal(net.eval()(TOKENS, LENGTHS), net(TOKENS, LENGTHS))


def test_a_language_model_drops_in_its_steps_too_while_it_trains() -> None:
    net = language_model(dropout=0.5).train()
    first, second = (net.step(TOKENS[:, 0], net.initial_state(CONDITIONS))[0] for _ in range(2))
    assert not torch.equal(first, second)


def test_names_sizes_and_defaults_are_those_of_the_arguments() -> None:
    for cell, kind in OURS.items():
        net = RecurrentClassifier(7, 4, 3, 2, 0.25, cell)
        assert type(net.rnn) is kind and (net.vocab_size, net.num_classes) == (7, 3)
        assert (net.rnn.input_size, net.rnn.hidden_size, net.rnn.num_layers) == (4, 4, 2)
        net = RecurrentLanguageModel(7, 3, 4, 6, 2, 0.25, cell)
        assert type(net.rnn) is kind and (net.vocab_size, net.num_conditions) == (7, 3)
        assert (net.rnn.input_size, net.rnn.hidden_size, net.rnn.num_layers) == (8, 6, 2)
    net = RecurrentClassifier(7, 4, 3)
    assert type(net.rnn) is RNN and net.rnn.num_layers == 1
    net = RecurrentLanguageModel(7, 3)
    assert type(net.rnn) is LSTM and (net.rnn.input_size, net.rnn.hidden_size, net.rnn.num_layers) == (128, 256, 1)
    tokens = torch.zeros(1, 1, dtype=torch.int32)
    assert RecurrentClassifier(1, 1, 1)(tokens).shape == (1, 1)
    assert RecurrentLanguageModel(1, 1, 1, 1)(tokens, torch.tensor([0])).shape == (1, 1, 1)


def test_the_former_name_of_the_hidden_size_still_works_and_says_so() -> None:
    same = "rnn_size=4 is the former name of hidden_size; it still works: say hidden_size."
    other = "rnn_size=4 is the former name of hidden_size; it still works, and stands in for hidden_size=9: say"
    torch.manual_seed(1)
    expected = RecurrentClassifier(7, 4, 3).state_dict()
    for sizes, message in (({}, same), ({"hidden_size": 4}, same), ({"hidden_size": 9}, other)):
        torch.manual_seed(1)
        with pytest.warns(FutureWarning, match=f"^{re.escape(message)}") as caught:
            net = RecurrentClassifier(7, num_classes=3, rnn_size=4, **sizes)
        assert len(caught) == 1
        assert all(torch.equal(value, expected[name]) for name, value in net.state_dict().items())


def test_a_classifier_without_a_size_or_classes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^hidden_size must be given, at least 1\.$"):
        RecurrentClassifier(7, num_classes=3)
    with pytest.raises(ValueError, match=r"^num_classes must be given, at least 1\.$"):
        RecurrentClassifier(7, 4)


@pytest.mark.parametrize("kind", [RecurrentClassifier, RecurrentLanguageModel])
@pytest.mark.parametrize("value", [0, -2])
def test_sizes_below_one_are_refused(kind: type[nn.Module], value: int) -> None:
    names = ("vocab_size", "hidden_size", "num_classes", "num_layers")
    if kind is RecurrentLanguageModel:
        names = ("vocab_size", "num_conditions", "embed_dim", "hidden_size", "num_layers")
    for name in names:
        with pytest.raises(ValueError, match=f"{name} must be at least 1, but it is {value}"):
            kind(**{**dict.fromkeys(names, 2), name: value})


@pytest.mark.parametrize("kind", [RecurrentClassifier, RecurrentLanguageModel])
def test_other_shares_and_cells_are_refused(kind: type[nn.Module]) -> None:
    names = ("dropout", "embed_dropout") if kind is RecurrentClassifier else ("dropout",)
    for name, share in product(names, (-0.1, 1.0, 2, float("nan"))):
        with pytest.raises(ValueError, match=rf"^{name} must be in \[0, 1\), but it is {share}"):
            kind(5, 4, 3, **{name: share})
    for cell in ("LSTM", "elman", ""):
        with pytest.raises(ValueError, match=f'cell must be one of rnn, lstm, gru, but it is "{cell}"'):
            kind(5, 4, 3, cell=cell)


@pytest.mark.parametrize("net", [classifier(), language_model()], ids=["classifier", "language model"])
@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (TOKENS.double(), r"tokens must be integers \(batch, time\) .* shape \(4, 5\) and the type torch.float64"),
        (TOKENS[0], r"with at least one step, but they have the shape \(5,\)"),
        (TOKENS[None], r"the shape \(1, 4, 5\) and the type torch.int64"),
        (TOKENS[:, :0], r"the shape \(4, 0\)"),
        (TOKENS[:0], r"the shape \(0, 5\)"),
        (TOKENS + 1, "tokens must be in 0 … 4, but go from 1 to 5"),
        (TOKENS - 1, "tokens must be in 0 … 4, but go from -1 to 3"),
    ],
    ids=["float", "one dimension", "three dimensions", "no steps", "no sequences", "beyond", "negative"],
)
def test_other_tokens_are_refused(net: nn.Module, tokens: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        net(tokens, LENGTHS if isinstance(net, RecurrentClassifier) else CONDITIONS)


@pytest.mark.parametrize(
    ("lengths", "shown"),
    [
        ([5, 3, 0, 4], r"\(4,\) and go from 0 to 5"),
        ([6, 3, 1, 4], r"\(4,\) and go from 1 to 6"),
        ([5, 3, 1], r"\(3,\) and go from 1 to 5"),
        ([[5], [3], [1], [4]], r"\(4, 1\) and go from 1 to 5"),
    ],
)
def test_other_lengths_are_refused(lengths: list, shown: str) -> None:
    with pytest.raises(ValueError, match=rf"lengths must be 4 numbers in 1 … 5, .* they have the shape {shown}"):
        classifier()(TOKENS, torch.tensor(lengths))


@pytest.mark.parametrize("shape", [(3,), (4, 1), (4, 5), ()])
def test_other_numbers_of_conditions_are_refused(shape: tuple[int, ...]) -> None:
    shown = str(shape).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ValueError, match=f"conditions must be one number for each of the 4 sequences, .* {shown}"):
        language_model()(TOKENS, torch.zeros(shape, dtype=torch.long))
