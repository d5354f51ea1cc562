"""The reliability diagram: its bars, and the calibration error in its title."""

import torch

from callbacks.calibration import calibration_bins
from figures import draw_reliability


def test_the_figure_shows_the_bins_that_hold_something() -> None:
    bins = calibration_bins(torch.tensor([0.3, 0.75, 0.81]), torch.tensor([True, True, False]))
    above, below = draw_reliability(*bins, "names").axes
    assert above.get_title() == "names: expected calibration error 0.587"
    assert [patch.get_height() for patch in above.patches] == [1.0, 1.0, 0.0]
    assert sum(patch.get_height() for patch in below.patches) == 3
