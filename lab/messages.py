"""Errors of the libraries below, said in one sentence."""

from lab.errors import LabError


def explain(error):
    if isinstance(error, LabError):
        return str(error)
    return None
