"""Lines: JSON that is what it says, whatever a record holds and however often it came before."""

import json
import logging
import math
import uuid
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from countersign.observability import redaction, rendering
from countersign.observability.lines import LineFormatter
from countersign.observability.patterns import MASK
from countersign.observability.rendering import as_json, fit_to_show

AT = "2026-11-25T02:41:28.828460Z"

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(), inside, max_size=4),
    max_leaves=8,
)


def line_of(**extra: Any) -> dict[str, Any]:
    """Make a record's line, and read it."""
    formatter = LineFormatter(as_json, service=None)
    line: dict[str, Any] = json.loads(formatter.format(logging.makeLogRecord({"msg": "said", **extra})))
    return line


@given(event=st.dictionaries(st.text(), values, max_size=6))
@example(event={"a": 1, "b": True, "c": 1.0, "d": 0, "e": False, "f": -0.0})
@example(event={"email": 12345, "to": "jane.doe@example.com", "jane.doe@example.com": "x", "pin": 1.5})
@example(
    event={"card": 4242424242424242, "n": 4242424242424242.0, "note": "two\nlines", "exception": "two\nlines"}
)
def test_json_says_what_the_console_shows(event: dict[str, Any]) -> None:
    read = json.loads(as_json(event, AT))
    shown = fit_to_show(event, AT)
    assert read == shown
    assert {key: type(value) for key, value in read.items()} == {k: type(v) for k, v in shown.items()}


@pytest.mark.parametrize("endless", [math.inf, -math.inf, math.nan])
def test_numbers_without_end_break_no_line(endless: float) -> None:
    assert list(line_of(ms=endless)) == ["event", "level", "logger", "ms", "timestamp"]


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    "odd",
    [
        {"msg": Broken()},
        {"msg": Broken(), "args": (1,)},
        {"exc_info": True},
        {"levelname": None},
        {"created": math.nan},
        {1: "a name that is none"},
    ],
    ids=["message", "message with arguments", "exception", "level", "time", "name"],
)
def test_whatever_a_record_holds_that_there_was_one_is_told(odd: dict[Any, Any]) -> None:
    record = logging.makeLogRecord({"name": "x", "levelname": "ERROR", **odd})
    line = json.loads(LineFormatter(as_json, service="worker").format(record))
    assert line["event"].startswith("<a line that could not be made: ")
    assert (line["logger"], line["service"]) == ("x", "worker")


def test_no_extra_stands_in_for_what_a_line_says_of_itself() -> None:
    formatter = LineFormatter(as_json, service="worker")
    record = logging.makeLogRecord({"msg": "said", "name": "x", "levelname": "INFO"})
    own = {"event": "said", "level": "info", "logger": "x", "service": "worker"}
    told = json.loads(formatter.format(record))
    assert told == own | {"timestamp": told["timestamp"]}
    vars(record).update(dict.fromkeys(told, "forged"))
    line = json.loads(formatter.format(record))
    assert line == told | {f"{name}_": "forged" for name in told}


@pytest.mark.parametrize(
    "extra",
    [
        {
            "temporal_activity": {
                "workflow_id": "agreement-so-1",
                "workflow_run_id": "r-1",
                "activity_type": "send",
                "attempt": 2,
                "namespace": "default",
            }
        },
        {"temporal_workflow": {"workflow_id": "agreement-so-1", "run_id": "r-1", "namespace": "default"}},
    ],
    ids=["activity", "workflow"],
)
def test_a_line_of_the_sdk_that_is_made_elsewhere_says_whose_it_is(extra: dict[str, Any]) -> None:
    """Where a handler of somebody's own makes it in a thread of its own."""
    (told,) = extra.values()
    about = {"workflow_id": "agreement-so-1", "run_id": "r-1", "reference": "so-1"}
    about |= {key: told[key] for key in ("activity_type", "attempt") if key in told}
    line = line_of(**extra)
    assert {key: line[key] for key in line.keys() - {"event", "level", "logger", "timestamp"}} == about


@pytest.mark.parametrize("place", ["note", "exception"])
def test_nothing_in_a_line_moves_a_cursor_or_ends_it(place: str) -> None:
    unseen = "\x1b[2J\x7f\x85\x9b2J\u2028"
    nested = as_json({place: unseen, "deep": [{unseen: unseen}]}, AT)
    assert nested.isprintable()
    assert json.loads(nested)["deep"] == [{unseen: unseen}]
    assert fit_to_show({place: unseen}, AT)[place].isprintable()


def test_what_was_meant_for_terminals_is_left_out() -> None:
    assert "color_message" not in line_of(color_message="\x1b[1mStarted\x1b[0m")


@pytest.mark.parametrize(("length", "remembered"), [(64, 1), (65, 0)])
def test_of_texts_only_short_ones_are_remembered(length: int, remembered: int) -> None:
    memory: Any = rendering._short_member
    before = memory.cache_info().misses
    as_json({"note": uuid.uuid4().hex.ljust(length, "-")}, AT)
    assert memory.cache_info().misses - before == remembered


def test_a_traceback_keeps_its_lines() -> None:
    assert fit_to_show({"exception": "a\n\tb\x1b"}, AT)["exception"] == "a\n\tb\\x1b"


def test_what_no_encoding_can_write_is_escaped() -> None:
    line = as_json({"deep": ["\ud800"], "title": "\ud800"}, AT)
    assert json.loads(line.encode())["deep"] == ["\ud800"]


def test_a_line_seen_before_masks_a_secret_learnt_since(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_protected", set[str]())
    monkeypatch.setattr(redaction, "_known", None)
    secret = f"plain words {uuid.uuid4().hex}"
    assert line_of(note=secret)["note"] == line_of(note=secret)["note"] == secret
    redaction.protect(secret)
    assert line_of(note=secret)["note"] == MASK


@pytest.mark.parametrize(
    ("created", "shown"),
    [
        (1795574488.0, "2026-11-25T02:41:28.000000Z"),
        (1795574488.5, "2026-11-25T02:41:28.500000Z"),
        (1795574488.999, "2026-11-25T02:41:28.99"),
    ],
)
def test_a_line_says_when_its_record_was_made(created: float, shown: str) -> None:
    assert line_of(created=created)["timestamp"].startswith(shown)


def test_what_is_equal_is_not_the_same() -> None:
    assert [line_of(n=value)["n"] for value in (1, True, 0, False)] == [1, True, 0, False]
    assert line_of(n=1)["n"] is not line_of(n=True)["n"] is True
