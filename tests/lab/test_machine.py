"""The machine in words."""

import torch

from lab.machine import machine


def test_a_machine_is_told_with_its_versions():
    told = machine()
    assert f"torch {torch.__version__}" in told and " cores" in told and "\n" not in told
