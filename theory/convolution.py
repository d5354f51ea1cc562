"""The sizes of convolutions: what comes out of them, and how many numbers they learn."""

from collections.abc import Sequence

Size = int | Sequence[int]


def conv_output_shape(
    input_size: Size, kernel: Size, stride: Size = 1, padding: Size = 0, dilation: Size = 1
) -> tuple[int, ...]:
    r"""The size of the output of a convolution, or of a pooling, in each dimension.

    "A guide to convolution arithmetic for deep learning" (Dumoulin and Visin, 2016), https://arxiv.org/abs/1603.07285:

        out = ⌊(in + 2 · padding − dilation · (kernel − 1) − 1) / stride⌋ + 1

    Args:
        input_size: positions of the input in each dimension, ≥ 1.
        kernel: positions that a filter covers, ≥ 1; one number stands for all dimensions, here and below.
        stride: positions between two places of the filter, ≥ 1.
        padding: zeros added at each end, ≥ 0.
        dilation: positions between two taps of a filter, ≥ 1.

    Returns:
        the size in each dimension: ``conv_output_shape(200, 4, stride=2)`` is (99,).

    Raises:
        ValueError: when an argument is out of its range or of another number of dimensions, or the filter is larger
            than the padded input.

    Example:
        >>> conv_output_shape((28, 28), kernel=5, stride=2, padding=2)
        (14, 14)
    """
    sizes = (input_size,) if isinstance(input_size, int) else tuple(input_size)
    arguments = {"input_size": (sizes, 1), "kernel": (kernel, 1), "stride": (stride, 1)}
    arguments |= {"padding": (padding, 0), "dilation": (dilation, 1)}
    each = [_in_each_dimension(name, value, len(sizes), least) for name, (value, least) in arguments.items()]
    shape = []
    for size, taps, step, zeros, gap in zip(*each, strict=True):
        free = size + 2 * zeros - gap * (taps - 1) - 1
        if free < 0:
            raise ValueError(
                f"a filter that spans {gap * (taps - 1) + 1} positions does not fit in {size + 2 * zeros}: "
                f"make kernel or dilation smaller, or padding larger."
            )
        shape.append(free // step + 1)
    return tuple(shape)


def conv_parameter_count(in_channels: int, out_channels: int, kernel: Size, bias: bool = True) -> int:
    """How many numbers a convolution learns: out · in · Π kernel for its filters, and out for its biases.

    Args:
        in_channels: channels of the input, ≥ 1.
        out_channels: filters, ≥ 1.
        kernel: positions that a filter covers in each dimension, ≥ 1; one number stands for one dimension.
        bias: whether each filter has a bias.

    Returns:
        the number: ``conv_parameter_count(3, 8, (4, 4))`` is 392.

    Raises:
        ValueError: when an argument is out of its range.

    Example:
        >>> conv_parameter_count(in_channels=3, out_channels=8, kernel=(4, 4))
        392
    """
    taps = (kernel,) if isinstance(kernel, int) else tuple(kernel)
    for name, value in {
        "in_channels": in_channels,
        "out_channels": out_channels,
        "kernel": min(taps, default=0),
    }.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, but it is {value}.")
    of_filter = in_channels
    for number in taps:
        of_filter *= number
    return out_channels * (of_filter + bool(bias))


def _in_each_dimension(name: str, value: Size, dimensions: int, least: int) -> tuple[int, ...]:
    values = (value,) * dimensions if isinstance(value, int) else tuple(value)
    if len(values) != dimensions:
        raise ValueError(f"{name} must be one number or {dimensions}, as input_size has, but it is {values}.")
    if min(values, default=least - 1) < least:
        raise ValueError(f"{name} must be at least {least}, but it is {value}.")
    return values
