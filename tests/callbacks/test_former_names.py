"""Callbacks under their former names: they work, say so once, and mean the same."""

import pytest
from running import DIGITS, SMALL, Lab

import callbacks
from callbacks import former_names

NAMES = {"ClassReport": "ClassificationReport", "Mistakes": "Misclassifications"}


@pytest.mark.parametrize("former", NAMES)
def test_a_former_name_works_in_yaml_and_says_so_once(lab: Lab, caplog: pytest.LogCaptureFixture, former: str) -> None:
    words = [f"--trainer.callbacks=[callbacks.{former}]" if "callbacks" in word else word for word in SMALL]
    assert lab("fit", *DIGITS, *words, "--test_after_fit=true") == 0
    assert caplog.messages.count(former_names.RENAMED.format(former, NAMES[former])) == 1
    run = lab.run()
    assert (run / "class_report.csv").is_file() == (former == "ClassReport")
    assert any((run / "figures").glob("confusion_matrix_test_*.png")) == (former == "Mistakes")


def test_a_former_name_is_the_callback_of_today_with_its_arguments() -> None:
    for former, name in NAMES.items():
        assert issubclass(getattr(callbacks, former), getattr(callbacks, name))
    assert callbacks.Mistakes(num_examples=3).num_examples == 3
    with pytest.raises(ValueError, match="num_examples must be at least 1, but it is 0"):
        callbacks.Mistakes(0)
