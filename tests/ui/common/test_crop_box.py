import pytest

from rsviz.ui.common import crop_box


@pytest.mark.parametrize(
    "sent",
    [None, "box", [0, 0, 1], [0, 0, 1, "1"], [0.5, 0, 0.5, 1], [0, 0, float("nan"), 1], {"a": 1}],
)
def test_what_is_no_square_is_not_used(sent):
    assert crop_box.checked(sent) is None


def test_a_square_is_kept_inside_the_picture():
    assert crop_box.checked([-1, 0.25, 0.123456, 7]) == (0, 0.25, 0.1235, 1)
