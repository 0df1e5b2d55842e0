"""The report replaces all figures of the page, and keeps none of an earlier run."""

import pytest

from benchmarks.report import PAGE, PARTS, measure, written

TWO = "Text.\n<!-- figures: one -->\nold\n<!-- end -->\nMore.\n<!-- figures: two -->\n<!-- end -->\n"


def test_every_block_is_replaced_and_the_text_stays() -> None:
    page = written(TWO, {"one": "new", "two": "2"})
    assert page == TWO.replace("old", "new").replace("two -->\n", "two -->\n2\n")
    assert written(page, {"one": "new", "two": "2"}) == page


def test_blocks_of_the_page_are_those_that_are_measured() -> None:
    written(PAGE.read_text(), dict.fromkeys(("run", *PARTS), ""))
    with pytest.raises(KeyError, match="three"):
        written(TWO, {"one": "", "two": "", "three": ""})
    with pytest.raises(KeyError, match="two"):
        written(TWO, {"one": ""})


def test_a_benchmark_that_fails_leaves_a_block_that_says_so() -> None:
    block, succeeded = measure("none", "", 60)
    assert not succeeded
    assert "**Failed: exit code 1.**" in block


def test_a_benchmark_that_takes_too_long_is_stopped_and_says_so() -> None:
    block, succeeded = measure("client", "--serve", 0.5)
    assert not succeeded
    assert "stopped after 0.5 s" in block
