"""Superlinear growth is found, and the picture shows the curve."""

import re

import pytest

from benchmarks.curves import Chart, draw
from benchmarks.growth import SUPERLINEAR, exponent

PLACES = (500, 1000, 1500, 2000)


@pytest.mark.parametrize("power", [0, 1, 2])
def test_the_exponent_of_a_curve_is_its_power(power: int) -> None:
    assert exponent(PLACES, [3 * place**power for place in PLACES]) == pytest.approx(power)


def test_quadratic_growth_beside_a_constant_is_superlinear() -> None:
    assert exponent(PLACES, [100 + place**2 / 1000 for place in PLACES]) > SUPERLINEAR


def test_values_below_the_noise_are_constant() -> None:
    assert exponent(PLACES, [0, 1, 9, 19], least=20) == 0


def test_the_picture_has_a_curve_per_chart_from_left_to_right() -> None:
    picture = draw(PLACES, "waiting", [Chart("a", [1, 2, 3, 4]), Chart("b", [0] * 4)])
    rising, flat = (
        [float(y) for y in re.findall(r'<circle cx="[\d.]+" cy="([\d.]+)"', chart)]
        for chart in picture.split("<g ")[1:]
    )
    assert rising == sorted(rising, reverse=True)
    assert len(set(rising)) == len(PLACES)
    assert len(set(flat)) == 1
