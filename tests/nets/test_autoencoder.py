"""Autoencoders against plain sums over weights, layer by layer, values and gradients."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nets import Autoencoder, TiedAutoencoder

SCALARS: dict[type[nn.Module], Callable[[Tensor], Tensor]] = {
    nn.ReLU: lambda x: x.clamp(min=0),
    nn.Sigmoid: lambda x: 1 / (1 + (-x).exp()),
    nn.Tanh: lambda x: (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()),
}


@pytest.fixture(autouse=True)
def same_weights_each_time() -> None:
    torch.manual_seed(0)


def kinds(layers: nn.Sequential) -> list[object]:
    """(inputs, outputs, bias) of a linear layer, the class of any other."""
    return [
        (layer.in_features, layer.out_features, layer.bias is not None) if type(layer) is nn.Linear else type(layer)
        for layer in layers
    ]


def naive_perceptron(state: dict[str, Tensor], part: str, rows: Tensor, activation: Callable) -> Tensor:
    """One product of numbers after the other, for every row by itself."""
    indices = sorted({int(name.split(".")[1]) for name in state if name.startswith(part)})
    for index in indices:
        weight, bias = state[f"{part}.{index}.weight"], state.get(f"{part}.{index}.bias")
        sums = [[sum(w * x for w, x in zip(line, row, strict=True)) for line in weight] for row in rows]
        rows = torch.stack([torch.stack(line) for line in sums]) + (0 if bias is None else bias)
        if index != indices[-1]:
            rows = activation(rows)
    return rows


def test_encoder_and_decoder_are_mirrored_layers_with_the_activation_between_them_alone() -> None:
    net = Autoencoder(9, [7, 5, 2], nn.Tanh)
    assert type(net.encoder) is type(net.decoder) is nn.Sequential
    assert kinds(net.encoder) == [(9, 7, True), nn.Tanh, (7, 5, True), nn.Tanh, (5, 2, True)]
    assert kinds(net.decoder) == [(2, 5, True), nn.Tanh, (5, 7, True), nn.Tanh, (7, 9, True)]
    assert (net.input_dim, net.bottleneck) == (9, 2)
    assert {name.split(".")[0] for name, _ in net.named_parameters()} == {"encoder", "decoder"}


def test_defaults_are_relu_and_biases_which_can_be_left_out() -> None:
    assert kinds(Autoencoder(4, [6, 3]).encoder) == [(4, 6, True), nn.ReLU, (6, 3, True)]
    assert kinds(Autoencoder(4, (6, 3), bias=False).encoder) == [(4, 6, False), nn.ReLU, (6, 3, False)]
    assert kinds(Autoencoder(4, (6, 3), bias=False).decoder) == [(3, 6, False), nn.ReLU, (6, 4, False)]


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
@pytest.mark.parametrize("width", [3, 8])
def test_one_hidden_size_is_affine_whatever_the_activation(activation: type[nn.Module], width: int) -> None:
    net = Autoencoder(5, [width], activation).double()
    assert kinds(net.encoder) == [(5, width, True)] and kinds(net.decoder) == [(width, 5, True)]
    x, y = torch.randn(2, 4, 5, dtype=torch.float64)
    assert_close(net(3 * x - 2 * y), 3 * net(x) - 2 * net(y), rtol=0, atol=1e-12)  # 3 − 2 = 1
    deep = Autoencoder(5, [8, width], activation).double()
    assert (deep(3 * x - 2 * y) - (3 * deep(x) - 2 * deep(y))).abs().max() > 1e-2


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", SCALARS)
def test_reconstruction_and_gradients_are_those_of_plain_sums(activation: type[nn.Module], bias: bool) -> None:
    net = Autoencoder(4, [8, 7, 2], activation, bias).double()
    state = {name: value.detach().clone().requires_grad_() for name, value in net.named_parameters()}
    assert len(state) == 6 * (1 + bias)
    inputs, weights = torch.randn(2, 6, 4, dtype=torch.float64)
    first, second = inputs.clone().requires_grad_(), inputs.clone().requires_grad_()

    code = naive_perceptron(state, "encoder", second, SCALARS[activation])
    expected = naive_perceptron(state, "decoder", code, SCALARS[activation])
    output = net(first)
    assert_close(net.encode(first), code)
    assert_close(output, expected)
    (output * weights).sum().backward()
    (expected * weights).sum().backward()
    assert_close(first.grad, second.grad)
    for name, parameter in net.named_parameters():
        assert parameter.grad.abs().sum() > 0
        assert_close(parameter.grad, state[name].grad)


@pytest.mark.parametrize("build", [lambda: Autoencoder(6, [4, 2]), lambda: TiedAutoencoder(6, 2)])
@pytest.mark.parametrize("leading", [(), (3,), (2, 3)])
def test_forward_decodes_what_it_encodes_whatever_the_leading_dimensions(build: Callable, leading: tuple) -> None:
    net = build().double()
    inputs = torch.randn(*leading, 6, dtype=torch.float64)
    code = net.encode(inputs)
    assert code.shape == (*leading, 2)
    assert torch.equal(net(inputs), net.decode(code))
    flat = torch.cat([net(row[None]) for row in inputs.reshape(-1, 6)])
    assert_close(net(inputs), flat.reshape(inputs.shape))


def test_the_tied_autoencoder_is_the_formula_by_hand() -> None:
    net = TiedAutoencoder(3, 2).double()
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[1.0, 0.0, 2.0], [0.0, -1.0, 1.0]]))
        net.bias.copy_(torch.tensor([0.5, 0.0, -3.0]))
    x = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    assert net.encode(x).tolist() == [2.0, -1.5]  # 1 + 2·0.5, −2 + 0.5
    assert net(x).tolist() == [2.5, 1.5, 0.0]  # ReLU(2 + 0.5, 1.5 + 0, 4 − 1.5 − 3)
    net(x).sum().backward()
    # d/db = (1, 1, 0), so with g of the pre-activations: dW = (Wx) gᵀ + (Wg) xᵀ, Wg = (1, −1).
    assert net.bias.grad.tolist() == [1.0, 1.0, 0.0]
    assert net.weight.grad.tolist() == [[2.0 + 1, 2.0 + 2, 0.5], [-1.5 - 1, -1.5 - 2, -0.5]]


def test_tied_reconstruction_and_gradients_are_those_of_plain_sums() -> None:
    net = TiedAutoencoder(5, 3).double()
    nn.init.normal_(net.bias)
    weight, bias = (value.detach().clone().requires_grad_() for value in (net.weight, net.bias))
    inputs, weights = torch.randn(2, 4, 5, dtype=torch.float64)
    rows = []
    for x in inputs:
        gram = [[sum(weight[k, i] * weight[k, j] for k in range(3)) for j in range(5)] for i in range(5)]
        rows.append(torch.stack([sum(gram[i][j] * x[j] for j in range(5)) + bias[i] for i in range(5)]))
    expected = torch.stack(rows).clamp(min=0)
    assert 0 < (expected == 0).sum() < expected.numel()
    output = net(inputs)
    assert_close(output, expected)
    (output * weights).sum().backward()
    (expected * weights).sum().backward()
    assert_close(net.weight.grad, weight.grad)
    assert_close(net.bias.grad, bias.grad)


def test_columns_of_the_tied_matrix_start_with_unit_length_on_average_and_biases_with_zero() -> None:
    net = TiedAutoencoder(1000, 50)
    squares = net.weight.detach().double().square().sum(dim=0)
    # A squared length is χ²₅₀/50, of variance 2/50; five standard errors of the mean of 1000.
    assert squares.mean().item() == pytest.approx(1, abs=5 * (2 / 50 / 1000) ** 0.5)
    assert squares.var().item() == pytest.approx(2 / 50, rel=0.25)  # 5 · √(2/999) = 0.22, and a bit for the tail
    assert torch.equal(net.bias, torch.zeros(1000))
    before = net.weight.detach().clone()
    nn.init.ones_(net.bias)
    net.reset_parameters()
    assert not torch.equal(net.weight, before) and not net.bias.any()


@pytest.mark.parametrize("width", [0, -2])
def test_widths_below_one_are_refused(width: int) -> None:
    with pytest.raises(ValueError, match=f"input_dim must be at least 1, but it is {width}"):
        Autoencoder(width, [3])
    for hidden_dims in ([width], [4, width], [width, 4]):
        message = f"hidden_dims must be one width or more, each at least 1, .* but it is \\[{str(hidden_dims)[1:-1]}\\]"
        with pytest.raises(ValueError, match=message):
            Autoencoder(5, hidden_dims)
    with pytest.raises(ValueError, match=f"input_dim and bottleneck must be at least 1, but they are {width} and 2"):
        TiedAutoencoder(width, 2)
    with pytest.raises(ValueError, match=f"input_dim and bottleneck must be at least 1, but they are 5 and {width}"):
        TiedAutoencoder(5, width)


def test_an_autoencoder_without_hidden_sizes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"hidden_dims must be one width or more, .* but it is \[\]"):
        Autoencoder(5, [])


@pytest.mark.parametrize("net", [Autoencoder(6, [2]), TiedAutoencoder(6, 2)], ids=["mirrored", "tied"])
def test_inputs_of_another_width_are_refused_with_the_option_to_set(net: nn.Module) -> None:
    message = (
        r"must have input_dim=6 columns, but they have the shape \(2, 5\): set model.net.input_dim .* flatten=True"
    )
    for call in (net, net.encode):
        with pytest.raises(ValueError, match=message):
            call(torch.zeros(2, 5))
