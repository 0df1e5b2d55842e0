"""Which problems operators are notified of: each once when it begins, and once when it is over."""

from datetime import UTC, datetime

from activities.requests import Findings
from countersign.agreements.notices import (
    Digest,
    Problem,
    ProblemKind,
    digest_notice,
    problem_notice,
)
from workflows.notices.problems import Known, compare, report

AT = datetime(2027, 1, 31, 12, tzinfo=UTC)
ORDER = Problem(kind=ProblemKind.NEEDS_ATTENTION, subject="order-1")
BLOCKED = Problem(kind=ProblemKind.ACCOUNT_BLOCKED, subject="uk", detail="credentials refused")


class Operators:
    """What operators are notified of, look by look."""

    def __init__(self) -> None:
        self.known: tuple[Known, ...] = ()

    def look(
        self, *problems: Problem, unsure: tuple[str, ...] = (), delivered: bool = True
    ) -> tuple[list[str], list[str]]:
        """Look once; return the subjects of what is new and of what is over."""
        news = compare(self.known, Findings(at=AT, problems=problems, unsure=unsure))
        self.known = news.known
        if delivered:
            self.known = report(report(self.known, news.new, over=False), news.over, over=True)
        return [problem.subject for problem in news.new], [problem.subject for problem in news.over]


def test_a_problem_is_reported_once_when_two_looks_have_found_it() -> None:
    operators = Operators()
    assert operators.look(ORDER) == ([], [])
    assert operators.look(ORDER, BLOCKED) == (["order-1"], [])
    assert operators.look(ORDER, BLOCKED) == (["uk"], [])
    assert operators.look(ORDER, BLOCKED) == ([], [])


def test_its_end_is_reported_once_when_two_looks_have_not_found_it() -> None:
    operators = Operators()
    operators.look(ORDER)
    operators.look(ORDER)
    assert operators.look() == ([], [])
    assert operators.look(ORDER) == ([], []), "it has not been away"
    assert operators.look() == ([], [])
    assert operators.look() == ([], ["order-1"])
    assert operators.look() == ([], [])
    assert operators.known == ()
    operators.look(ORDER)
    assert operators.look(ORDER) == (["order-1"], []), "it has come back"


def test_what_one_look_alone_has_found_is_no_problem() -> None:
    operators = Operators()
    for _ in range(3):
        assert operators.look(BLOCKED) == ([], [])
        assert operators.look() == ([], [])


def test_what_was_not_delivered_is_new_at_the_next_look() -> None:
    operators = Operators()
    operators.look(ORDER)
    assert operators.look(ORDER, delivered=False) == (["order-1"], [])
    assert operators.look(ORDER, BLOCKED) == (["order-1"], [])
    operators.look()
    assert operators.look(delivered=False) == ([], ["order-1"])
    assert operators.look() == ([], ["order-1"])


def test_a_look_that_cannot_say_ends_nothing_and_begins_nothing() -> None:
    operators = Operators()
    assert operators.look(BLOCKED) == ([], [])
    assert operators.look(unsure=(BLOCKED.key,)) == ([], [])
    assert operators.look(BLOCKED) == (["uk"], [])
    for _ in range(4):
        assert operators.look(unsure=(BLOCKED.key,)) == ([], [])
    operators.look(BLOCKED, ORDER)
    operators.look(BLOCKED, ORDER)
    for _ in range(4):
        assert operators.look(BLOCKED, unsure=("needs_attention:", "account_blocked:u")) == ([], [])
    operators.look()
    assert operators.look() == ([], ["uk", "order-1"])


def test_a_notice_names_twenty_problems_and_counts_the_others() -> None:
    problems = [Problem(kind=ProblemKind.STUCK, subject=f"order-{number}") for number in range(25)]
    data = problem_notice("staging", AT, problems, over=False).data
    assert (data.title, len(data.problems)) == ("25 problems", 20)
    lines = data.text.splitlines()
    assert lines[0] == "- order-0 is stuck; `countersign status order-0` shows why"
    assert lines[20:] == ["- and 5 more"]
    over = problem_notice("staging", AT, [BLOCKED], over=True).data
    assert (over.title, over.text) == (
        "a problem is over",
        "- over: account uk is blocked: credentials refused",
    )


def test_a_digest_says_everything_in_one_text() -> None:
    digest = Digest(
        running={"sending": 2, "awaiting_signatures": 7},
        ended={"completed": 3},
        longest_waiting=("order-3", "order-4"),
        waiting_since=AT,
    )
    notice = digest_notice("production", AT, digest, [ORDER])
    assert notice.data.title == "digest of 2027-01-31"
    assert notice.data.text.splitlines() == [
        "running: 9 (2 sending, 7 awaiting signatures)",
        "ended in the last 24 hours: 3 (3 completed)",
        "waiting longest for signatures: order-3, order-4, the first since 2027-01-31 12:00:00 UTC",
        "problems: 1",
        "- order-1 needs attention; `countersign status order-1` shows what to decide",
    ]
    quiet = digest_notice("production", AT, Digest(), []).data.text.splitlines()
    assert quiet == [
        "running: 0",
        "ended in the last 24 hours: 0",
        "waiting longest for signatures: none",
        "problems: 0",
    ]
