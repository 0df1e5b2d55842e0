"""What callers write means what it says, in every way in."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from countersign.agreements.messages import ReminderPlan, TemplateSource
from countersign.agreements.validation import is_email, link_problem, problems, text_problem
from countersign.client.drafts import read_signer
from countersign.testing import an_agreement

NOW = datetime(2026, 11, 27, tzinfo=UTC)


@pytest.mark.parametrize("value", [3, 3.5, 0, -1, True, "3", "12:00:00", "", "3 days", None])
def test_a_reminder_needs_a_unit(value: object) -> None:
    with pytest.raises(ValidationError):
        ReminderPlan.model_validate({"after": value})


@pytest.mark.parametrize("value", ["P3D", "PT12H", timedelta(hours=2)])
def test_a_reminder_with_a_unit_is_read(value: object) -> None:
    assert ReminderPlan.model_validate({"after": value}).after >= timedelta(hours=2)


@pytest.mark.parametrize(
    "plan",
    [
        {"after": "PT59M"},
        {"every": "PT1S"},
        {"every": "PT0S"},
        {"after": "-P1D"},
        {"every": "P400D"},
    ],
)
def test_reminders_are_at_least_an_hour_apart(plan: dict[str, str]) -> None:
    (problem,) = problems(an_agreement(reminders={"at_most": 1} | plan), NOW)
    assert problem.startswith(f"reminders.{next(iter(plan))}: must be at least one hour")


INVISIBLE = {
    "a zero-width space": "\u200b",
    "a right-to-left override": "\u202e",
    "a byte order mark": "\ufeff",
    "an escape": "\x1b[31m",
    "a line separator": "\u2028",
    "a null": "\0",
    "a soft hyphen": "\u00ad",
    "a tag": "\U000e0041",
}


@pytest.mark.parametrize("hidden", INVISIBLE.values(), ids=INVISIBLE)
@pytest.mark.parametrize(
    "place", ["title", "description", "name", "email", "cc", "sender", "variable", "anchor"]
)
def test_invisible_characters_are_refused_everywhere(place: str, hidden: str) -> None:
    text = f"A{hidden}b"
    signers = [{"name": "Ada Lovelace", "email": "ada@example.com"}]
    by_place: dict[str, dict[str, Any]] = {
        "title": {"title": text},
        "description": {"description": text},
        "name": {"signers": [signers[0] | {"name": text}]},
        "email": {"signers": [signers[0] | {"email": f"a{hidden}@example.com"}]},
        "cc": {"cc": [f"a{hidden}@example.com"]},
        "sender": {"sender": {"name": text, "email": "a@example.com"}},
        "variable": {"source": {"kind": "template", "template_id": "t", "variables": {"Price": text}}},
        "anchor": {"signers": signers, "fields": [{"signer": 1, "anchor": text}]},
    }
    assert len(problems(an_agreement(**by_place[place]), NOW)) == 1


@pytest.mark.parametrize("text", [" ", "\u00a0", "\u3000 "])
def test_blank_texts_are_refused(text: str) -> None:
    assert text_problem(text) == "is blank"
    assert text_problem(text, may_be_blank=True) is None


@pytest.mark.parametrize("text", ["Zoë Müller", "نرم\u200cافزار", "क्\u200dष", "陳大文", "O’Brien, Jr."])  # noqa: RUF001  # names
def test_names_of_many_languages_are_names(text: str) -> None:
    assert text_problem(text) is None


def test_lines_break_where_people_write_paragraphs() -> None:
    assert text_problem("Dear Ada,\n\tplease sign.", may_break=True) is None
    assert text_problem("Dear Ada,\nplease sign.") is not None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('"Example, Ada" <ada@example.com>', "Example, Ada"),
        ('"Ada \\"Countess\\" Lovelace" <ada@example.com>', 'Ada "Countess" Lovelace'),
        ("Ada Example <ada@example.com>", "Ada Example"),
    ],
)
def test_a_quoted_name_is_read_without_its_quotes(text: str, name: str) -> None:
    signer = read_signer("signer", text)
    assert (signer.name, signer.email) == (name, "ada@example.com")


@pytest.mark.parametrize(
    "url",
    [
        "https://",
        "https://[",
        "https://[::1",
        "https://]",
        "https:///contract.pdf",
        "https://example.com:port/a.pdf",
        "https://example.com:99999/a.pdf",
        "https://ada:secret@example.com/a.pdf",
        "https://ada@example.com/a.pdf",
        "https://10.0.0.1/a.pdf",
        "https://192.168.1.1/a.pdf",
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00::1]/a.pdf",
        "https://[::ffff:10.0.0.1]/a.pdf",
        "https://167772161/a.pdf",
        "https://intranet/a.pdf",
        "https://printer.local/a.pdf",
        "https://metadata.google.internal/a.pdf",
        "https://exam\u200bple.com/a.pdf",
        "https://example.com/a b.pdf",
        "http://example.com/a.pdf",
    ],
)
def test_a_link_that_the_provider_must_not_open_is_refused(url: str) -> None:
    assert link_problem(url) is not None


@pytest.mark.parametrize(
    "url",
    ["https://example.com/a.pdf?x=1#p", "https://93.184.216.34/a.pdf", "https://xn--mller-kva.example/a"],
)
def test_a_link_that_anybody_can_open_is_accepted(url: str) -> None:
    assert link_problem(url) is None


@pytest.mark.parametrize("email", ["a\u200b@example.com", "a@exam\u00adple.com", "a@b", "a b@example.com"])
def test_an_address_holds_nothing_hidden(email: str) -> None:
    assert not is_email(email)


HIDDEN = "a\u200bb"
WRONG_VARIABLES: dict[str, tuple[Any, str]] = {
    "a hidden character in markup": ({"kind": "html", "text": HIDDEN}, "variable 1: has the invisible"),
    "in a value within": (
        {"kind": "text", "text": "", "variables": {"A": HIDDEN}},
        "variable 1: has the invisible",
    ),
    "in an item": ({"kind": "list", "items": [HIDDEN]}, "variable 1: has the invisible"),
    "in a cell": ({"kind": "table", "columns": ["A"], "rows": [[HIDDEN]]}, "variable 1: has the invisible"),
    "in data": ({"kind": "json", "value": [{"a": {"b": HIDDEN}}]}, "variable 1: has the invisible"),
    "a name with braces": ({"kind": "text", "text": "", "variables": {"{A}": "a"}}, "variables: use names"),
    "a row that is too short": (
        {"kind": "table", "columns": ["A", "B"], "rows": [["1", "2"], ["3"]]},
        "variable 1: row 2 must have 2 cells",
    ),
    "no image": ({"kind": "image", "key": "files/a.pdf", "sha256": "0"}, "variable 1: the image's key must"),
    "an item that is no image": (
        {"kind": "list", "items": [{"kind": "image", "key": "files/a", "sha256": "0"}]},
        "variable 1: the image's key must",
    ),
}


@pytest.mark.parametrize(("value", "problem"), WRONG_VARIABLES.values(), ids=WRONG_VARIABLES)
def test_every_part_of_a_variable_is_checked(value: Any, problem: str) -> None:
    source = {"kind": "template", "template_id": "t", "variables": {"Price": value}}
    (found,) = problems(an_agreement(source=source), NOW)
    assert found.startswith(problem)


def test_plain_variables_are_written_as_before() -> None:
    source = TemplateSource(template_id="t", variables={"Price": "1", "Terms": ""})
    assert source.model_dump_json() == (
        '{"kind":"template","template_id":"t","variables":{"Price":"1","Terms":""}}'
    )
