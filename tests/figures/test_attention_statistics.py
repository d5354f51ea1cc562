"""Attention statistics over training: a column for each run, a line for each layer."""

from figures import draw_attention_statistics

NAMES = ("raw_variance", "scaled_variance", "predicted_variance", "entropy")
STEPS = {name: [0] if name == "predicted_variance" else [0, 4, 9] for name in NAMES}


def test_a_drawing_has_a_column_for_each_run() -> None:
    def logged(offset: float) -> dict[str, tuple[list[int], list[float]]]:
        metrics = {"val/loss": ([4, 9], [1.0, 0.5])}
        for layer in (1, 2):
            for head in (1, 2):
                for name, steps in STEPS.items():
                    values = [offset + layer + head + step for step in steps]
                    metrics[f"attention/layer_{layer}/head_{head}/{name}"] = (steps, values)
        return metrics

    figure = draw_attention_statistics({"scaled": logged(0.0), "unscaled": logged(100.0)})
    assert len(figure.axes) == 4
    above, other, below, _ = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["scaled", "unscaled", "", ""]
    assert above.get_yscale() == "log" and below.get_ylim()[0] == 0
    assert below.get_ylabel() == "entropy of the attention (nats)"
    labels = [text.get_text() for text in above.get_legend().get_texts()]
    assert labels == ["layer 1", "layer 2", "predicted at the start"]
    for axes, offset in ((above, 0.0), (other, 100.0)):  # the mean over two heads adds 1.5
        first, second, *predicted = axes.lines
        for layer, line in enumerate((first, second), start=1):
            assert list(line.get_xdata()) == STEPS["raw_variance"]
            assert line.get_ydata().tolist() == [offset + layer + 1.5 + step for step in STEPS["raw_variance"]]
        assert [line.get_ydata()[0] for line in predicted] == [offset + 2.5, offset + 3.5]
    assert len(below.lines) == 2
