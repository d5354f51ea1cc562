"""The hint to the nearest name."""

from lab.errors import nearest


def test_a_near_name_is_suggested_and_a_far_one_is_not():
    assert nearest("dept", ["depth", "dropout"]) == '; did you mean "depth"?'
    assert nearest("xyz", ["depth", "dropout"]) == ""
