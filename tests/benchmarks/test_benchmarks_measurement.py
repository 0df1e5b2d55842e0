"""Ratios are within a round, and a base of nothing gives none."""

import math

from benchmarks.measurement import decimals, ratio


def test_ratios_are_within_a_round() -> None:
    assert ratio([1, 20, 300], [1, 10, 100]) == 2


def test_a_round_with_a_base_of_nothing_is_left_out() -> None:
    assert ratio([1, 20, 30], [0, 10, 10]) == 2.5
    assert math.isnan(ratio([1], [0]))


def test_figures_have_about_three_digits() -> None:
    assert [decimals(value) for value in (0, 1.234, 12.34, 123.4, 12345)] == [
        "0.00",
        "1.23",
        "12.3",
        "123",
        "12,345",
    ]
