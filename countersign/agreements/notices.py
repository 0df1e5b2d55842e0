"""Notices: what operators are sent about problems, and the daily digest.

They name references and accounts, and no people.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import Field

from countersign.agreements.messages import Message
from countersign.agreements.times import format_time

SHOWN: Final = 20
"""Problems that a notice names; it counts the others."""


class Channel(StrEnum):
    """How notices reach people."""

    WEBHOOK = "webhook"
    MAIL = "mail"


class ProblemKind(StrEnum):
    """What is wrong."""

    NEEDS_ATTENTION = "needs_attention"
    STUCK = "stuck"
    ACCOUNT_BLOCKED = "account_blocked"
    WATCHER_SILENT = "watcher_silent"
    WEBHOOKS_MISSED = "webhooks_missed"


_SENTENCES: Final = {
    ProblemKind.NEEDS_ATTENTION: (
        "{subject} needs attention; `countersign status {subject}` shows what to decide"
    ),
    ProblemKind.STUCK: "{subject} is stuck; `countersign status {subject}` shows why",
    ProblemKind.ACCOUNT_BLOCKED: "account {subject} is blocked: {detail}",
    ProblemKind.WATCHER_SILENT: "account {subject}: its watcher does not read what changes: {detail}",
    ProblemKind.WEBHOOKS_MISSED: "account {subject}: the watcher found events that no webhook had brought",
}


class Problem(Message):
    """Something that needs a person.

    Args:
        kind: What is wrong.
        subject: The agreement's reference, in lower case, or the account's name.
        detail: Why, in one clause, where the kind does not say it.
    """

    kind: ProblemKind
    subject: str
    detail: str = ""

    @property
    def key(self) -> str:
        """What is the same as long as it is the same problem."""
        return f"{self.kind}:{self.subject}"

    def sentence(self) -> str:
        """Describe it in one line."""
        return _SENTENCES[self.kind].format(subject=self.subject, detail=self.detail)


class Digest(Message):
    """The state of all agreements at one time.

    Args:
        running: Agreements that run, by stage.
        ended: Agreements that ended in the last 24 hours, by outcome or `failed`.
        longest_waiting: References of those that wait longest for signatures, the longest first.
        waiting_since: When the first of them started.
    """

    running: dict[str, int] = Field(default={})
    ended: dict[str, int] = Field(default={})
    longest_waiting: tuple[str, ...] = ()
    waiting_since: datetime | None = None

    def lines(self) -> tuple[str, ...]:
        """Describe it, a line for every part."""
        waiting = ", ".join(self.longest_waiting)
        since = f", the first since {format_time(self.waiting_since)}" if self.waiting_since else ""
        return (
            f"running: {_counts(self.running)}",
            f"ended in the last 24 hours: {_counts(self.ended)}",
            f"waiting longest for signatures: {waiting or 'none'}{since}",
        )


def _counts(counts: dict[str, int]) -> str:
    shown = [f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count]
    return f"{sum(counts.values())} ({', '.join(shown)})" if shown else "0"


class NoticeType(StrEnum):
    """Why a notice is sent."""

    PROBLEM = "notice.problem"
    OVER = "notice.over"
    DIGEST = "notice.digest"
    TEST = "notice.test"


class NoticeData(Message):
    """What a notice is about.

    Args:
        environment: The setting `COUNTERSIGN_ENVIRONMENT`.
        title: What it says, in a few words.
        text: All of it, in lines.
        problems: The problems that it is about, at most 20.
        digest: The state of all agreements, if it is a digest.
    """

    environment: str
    title: str
    text: str
    problems: tuple[Problem, ...] = ()
    digest: Digest | None = None


class Notice(Message):
    """A notice, which is also the body of its webhook.

    Args:
        type: Why it is sent.
        timestamp: When what it says was seen.
        data: What it is about.
    """

    type: NoticeType
    timestamp: datetime
    data: NoticeData


def problem_notice(environment: str, at: datetime, problems: Sequence[Problem], *, over: bool) -> Notice:
    """Make a notice of problems that are new, or of some that are over.

    Args:
        environment: The setting `COUNTERSIGN_ENVIRONMENT`.
        at: When it was seen.
        problems: The problems, at least one.
        over: Whether they are over.
    """
    is_one = len(problems) == 1
    title = "a problem" if is_one else f"{len(problems)} problems"
    data = NoticeData(
        environment=environment,
        title=f"{title} {'is' if is_one else 'are'} over" if over else title,
        text="\n".join(_lines(problems, over=over)),
        problems=tuple(problems[:SHOWN]),
    )
    return Notice(type=NoticeType.OVER if over else NoticeType.PROBLEM, timestamp=at, data=data)


def digest_notice(environment: str, at: datetime, digest: Digest, problems: Sequence[Problem]) -> Notice:
    """Make the daily notice.

    Args:
        environment: The setting `COUNTERSIGN_ENVIRONMENT`.
        at: When it was seen.
        digest: The state of all agreements.
        problems: The problems that there are.
    """
    data = NoticeData(
        environment=environment,
        title=f"digest of {at:%Y-%m-%d}",
        text="\n".join((*digest.lines(), f"problems: {len(problems)}", *_lines(problems))),
        problems=tuple(problems[:SHOWN]),
        digest=digest,
    )
    return Notice(type=NoticeType.DIGEST, timestamp=at, data=data)


def trial_notice(environment: str, at: datetime) -> Notice:
    """Make a notice that shows that notices arrive."""
    data = NoticeData(environment=environment, title="a test", text="Notices arrive here.")
    return Notice(type=NoticeType.TEST, timestamp=at, data=data)


def _lines(problems: Sequence[Problem], *, over: bool = False) -> tuple[str, ...]:
    lines = [f"- {'over: ' if over else ''}{problem.sentence()}" for problem in problems[:SHOWN]]
    more = len(problems) - SHOWN
    return (*lines, *([f"- and {more} more"] if more > 0 else []))
