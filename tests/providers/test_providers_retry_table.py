"""The retry table: every provider error has one row, and the step's policy decides the rest."""

from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from countersign.agreements import failures
from countersign.configuration import SettingsError, load
from countersign.providers import errors
from countersign.providers.calls import Limits
from countersign.providers.open_account import open_account
from countersign.providers.retry_table import failure_type, provider_errors, to_application_error
from countersign.secrets.rotation import Rotating
from countersign.settings import CountersignSettings, ProviderSettings
from countersign.storage import FolderStore
from countersign.workflow.once import retry_delay
from tests.providers.provider_desk import ACCOUNT, Desk, settings_of
from worker import CALLS_PER_STEP, provider_worker
from workflows.agreement import policies


def every_error() -> list[errors.ProviderError]:
    made: list[errors.ProviderError] = []
    kinds = [var for var in vars(errors).values() if isinstance(var, type)]
    for kind in kinds:
        if not issubclass(kind, errors.ProviderError) or kind is errors.ProviderError:
            continue
        if issubclass(kind, errors.RejectedError):
            made.append(kind("refused", operation="look", status=400))
        else:
            made.append(kind("failed", operation="look"))
    return made


EXPECTED = ApplicationErrorCategory.BENIGN
UNEXPECTED = ApplicationErrorCategory.UNSPECIFIED
ROWS = {
    errors.NotSentError: ("NotSent", False, UNEXPECTED),
    errors.BlockedError: ("NotSent", False, EXPECTED),
    errors.PostponedError: ("Throttled", False, UNEXPECTED),
    errors.KeyReplacedError: ("KeyReplaced", False, EXPECTED),
    errors.UntrustedCertificateError: ("NotSent", False, UNEXPECTED),
    errors.ThrottledError: ("Throttled", False, EXPECTED),
    errors.RejectedError: ("Rejected", True, UNEXPECTED),
    errors.UnauthorizedError: ("Unauthorised", False, UNEXPECTED),
    errors.UnavailableError: ("Unavailable", False, UNEXPECTED),
    errors.NotReadyError: ("Unavailable", False, EXPECTED),
    errors.OutcomeUnknownError: ("OutcomeUnknown", False, UNEXPECTED),
    errors.ContractBrokenError: ("ContractBroken", False, UNEXPECTED),
}


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_every_error_has_one_row(error: errors.ProviderError) -> None:
    kind, ends, category = ROWS[type(error)]
    failure = to_application_error(error)
    assert (failure.type, failure.non_retryable, failure.category) == (kind, ends, category)
    assert failure_type(error) == kind
    assert failure.message == str(error)
    assert failure.next_retry_delay is None, "nobody has asked to wait"


@pytest.mark.parametrize("kind", [errors.ThrottledError, errors.BlockedError, errors.UnavailableError])
def test_a_delay_is_spread_so_that_a_fleet_does_not_come_back_at_once(
    kind: type[errors.ThrottledError | errors.BlockedError | errors.UnavailableError],
) -> None:
    error = kind("later", operation="look", retry_after=100)
    delays = {to_application_error(error).next_retry_delay for _ in range(50)}
    assert len(delays) > 1
    assert all(delay and timedelta(seconds=100) <= delay <= timedelta(seconds=110) for delay in delays)


def test_an_activity_fails_with_the_row_and_without_the_cause() -> None:
    with pytest.raises(ApplicationError) as caught, provider_errors():
        raise errors.OutcomeUnknownError("prepare_for_signing: ReadTimeout", operation="prepare_for_signing")
    assert caught.value.type == failures.OUTCOME_UNKNOWN
    assert caught.value.__suppress_context__


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), provider_errors():
        raise KeyError


class TestPolicies:
    def test_every_try_comes_later_up_to_a_cap(self) -> None:
        """As the docstring says: 1 s, doubled, at most 5 min; a failing archive and a notice hourly."""
        found = {name: var for name, var in vars(policies).items() if isinstance(var, policies.Policy)}
        for name, policy in found.items():
            cap = timedelta(hours=1) if name in {"ARCHIVE", "DELIVER_NOTICE"} else timedelta(minutes=5)
            retry = policy.retry
            assert retry.initial_interval == timedelta(seconds=1), name
            assert retry.backoff_coefficient == 2, name
            assert retry.maximum_interval == cap, name

    def test_a_send_that_never_left_is_tried_later_every_time_up_to_a_cap(self) -> None:
        delays = [retry_delay(sends).total_seconds() for sends in range(1, 10)]
        assert delays == [5, 10, 20, 40, 80, 160, 300, 300, 300]
        assert retry_delay(10_000) == timedelta(minutes=5)

    def test_what_may_have_gone_out_is_not_tried_again(self) -> None:
        assert policies.SEND.retry.maximum_attempts == 1
        assert policies.REMIND.retry.maximum_attempts == 1

    def test_held_work_has_a_week_at_least(self) -> None:
        provider_steps = [var for var in vars(policies).values() if isinstance(var, policies.Policy)]
        others = (policies.CLAIM, policies.REVOKE, policies.SEARCH_REFUSED, policies.DELIVER_NOTICE)
        provider_steps = [step for step in provider_steps if step not in others]
        assert provider_steps
        assert all(step.total.days >= 7 for step in provider_steps)

    def test_a_step_outlasts_its_calls(self) -> None:
        """The client's own limit ends a call first: it knows whether the request had left."""
        limits = Limits()
        totals = (limits.read_total, limits.write_total, limits.download_total)
        read, write, download = (timedelta(seconds=total) for total in totals)
        assert policies.SEND.attempt > write
        assert policies.VOID.attempt > write
        assert policies.REMIND.attempt > write
        assert policies.GENERATE.attempt > 2 * read + write
        assert policies.CHECK.attempt > read
        assert policies.IDENTIFY.attempt > read
        assert policies.SEARCH.attempt > 10 * read
        assert policies.SEARCH.heartbeat is not None
        assert policies.SEARCH.heartbeat > read
        assert policies.ARCHIVE.attempt > 3 * read + download
        for archive in (policies.ARCHIVE_FIRST, policies.ARCHIVE):
            assert archive.heartbeat is not None
            assert archive.heartbeat > read


@pytest.mark.parametrize(("time_scale", "graceful", "enough"), [("1", "120", "120.5"), ("30", "4", "4.1")])
def test_a_worker_that_would_not_let_a_write_finish_does_not_start(
    monkeypatch: pytest.MonkeyPatch, time_scale: str, graceful: str, enough: str
) -> None:
    monkeypatch.setenv("COUNTERSIGN_PACE", time_scale)
    monkeypatch.setenv("COUNTERSIGN_GRACEFUL_STOP_SECONDS", graceful)
    with pytest.raises(SettingsError, match=f"GRACEFUL_STOP_SECONDS must exceed the {graceful} s"):
        load(ProviderSettings)
    monkeypatch.setenv("COUNTERSIGN_GRACEFUL_STOP_SECONDS", enough)
    assert load(ProviderSettings)[0].graceful_stop_seconds == float(enough)


@pytest.mark.parametrize(("calls_per_second", "steps"), [(None, None), (30, 30 / CALLS_PER_STEP)])
async def test_the_providers_steps_are_never_eager_and_priced_by_their_calls(
    client: Client, desk: Desk, tmp_path: Path, *, calls_per_second: float | None, steps: float | None
) -> None:
    """An eager step passes the queue by, and with it the rate limit and the circuit's slots."""
    own = CountersignSettings(store=str(tmp_path), task_queue=f"priced-{calls_per_second}")
    options, theirs = ProviderSettings(calls_per_second=calls_per_second), settings_of(desk.sandbox)
    store = FolderStore(tmp_path)
    async with open_account(ACCOUNT, Rotating(theirs), options, slots=2) as opened:
        config = provider_worker(client, opened, store, own).config()
    assert config["disable_eager_activity_execution"]
    assert config["max_task_queue_activities_per_second"] == steps
    assert config["graceful_shutdown_timeout"] == timedelta(seconds=own.graceful_stop_seconds)
