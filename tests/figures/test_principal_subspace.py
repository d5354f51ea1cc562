"""The angle to the principal subspace, and the excess of the loss over its optimum."""

from figures import draw_principal_subspace


def test_a_drawing_shows_the_angle_and_the_excess_over_the_optimum() -> None:
    metrics = {
        "pca/angle": ([1, 3], [50.0, 0.25]),
        "pca/loss": ([1, 3], [6.0, 4.0]),
        "pca/optimum": ([1, 3], [4.0, 4.0]),
        "pca/residual": ([1, 3], [0.5, 0.125]),
        "pca/orthonormality": ([1, 3], [2.0, 1.0]),
    }
    figure = draw_principal_subspace(metrics, "toy")
    left, right = figure.axes
    assert [list(line.get_ydata()) for line in right.lines] == [[0.5, 1e-12], [0.5, 0.125], [2.0, 1.0]]
    assert list(left.lines[0].get_ydata()) == [50.0, 0.25] and list(left.lines[0].get_xdata()) == [1, 3]
    assert left.get_legend().get_texts()[0].get_text() == "largest principal angle: 0.25° at the end"
    assert left.get_yscale() == right.get_yscale() == "log" and figure.get_suptitle().startswith("toy: ")
