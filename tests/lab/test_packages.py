"""Short names of classes."""

import subprocess
import sys

import pytest

from lab.packages import PACKAGES, ClassPaths


def test_a_class_is_known_by_its_short_name():
    paths = ClassPaths()
    assert paths["UNet"] == "nets.UNet" and paths.get("DigitsDataModule") == "datamodules.DigitsDataModule"
    assert {path.partition(".")[0] for path in paths.values()} == set(PACKAGES) and len(paths) == len(list(paths))


@pytest.mark.parametrize("word", ["Unknown", "beam_search", "torch.optim.Adam", "0.5", ""])
def test_any_other_word_is_left_as_it_is(word):
    assert ClassPaths().get(word, word) == word


def test_nothing_is_imported_for_a_word_that_is_no_class():
    code = "import sys, lab.packages; lab.packages.ClassPaths().get('val/acc'); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
