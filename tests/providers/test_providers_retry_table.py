"""`activities/errors.py`: every provider error has one row, and the step's policy decides the rest."""

from datetime import timedelta

import pytest
from annotated_types import Le
from temporalio.exceptions import ApplicationError

from activities.errors import failure_type, provider_errors, to_application_error
from countersign.providers import errors
from countersign.settings import ProviderSettings
from workflows import failures, policies


def every_error() -> list[errors.ProviderError]:
    made: list[errors.ProviderError] = []
    kinds = [each for each in vars(errors).values() if isinstance(each, type)]
    for kind in kinds:
        if not issubclass(kind, errors.ProviderError) or kind is errors.ProviderError:
            continue
        if issubclass(kind, errors.RejectedError):
            made.append(kind("refused", operation="look", status=400))
        else:
            made.append(kind("failed", operation="look"))
    return made


ROWS = {
    errors.NotSentError: ("NotSent", False),
    errors.HeldError: ("NotSent", False),
    errors.KeyReplacedError: ("NotSent", False),
    errors.UntrustedCertificateError: ("NotSent", False),
    errors.ThrottledError: ("Throttled", False),
    errors.RejectedError: ("Rejected", True),
    errors.UnauthorisedError: ("Unauthorised", False),
    errors.UnavailableError: ("Unavailable", False),
    errors.NotReadyError: ("Unavailable", False),
    errors.OutcomeUnknownError: ("OutcomeUnknown", False),
    errors.ContractBrokenError: ("ContractBroken", False),
}


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_every_error_has_one_row(error: errors.ProviderError) -> None:
    kind, ends = ROWS[type(error)]
    failure = to_application_error(error)
    assert (failure.type, failure.non_retryable) == (kind, ends)
    assert failure_type(error) == kind
    assert failure.message == str(error)


def test_an_activity_fails_with_the_row_and_without_the_cause() -> None:
    with pytest.raises(ApplicationError) as caught, provider_errors():
        raise errors.OutcomeUnknownError("prepare_for_signing: ReadTimeout", operation="prepare_for_signing")
    assert caught.value.type == failures.OUTCOME_UNKNOWN
    assert caught.value.__suppress_context__


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), provider_errors():
        raise KeyError


class TestPolicies:
    def test_what_may_have_gone_out_is_not_tried_again(self) -> None:
        assert policies.SEND.retry.maximum_attempts == 1
        assert policies.REMIND.retry.maximum_attempts == 1

    def test_held_work_has_a_week_at_least(self) -> None:
        provider_steps = [each for each in vars(policies).values() if isinstance(each, policies.Policy)]
        provider_steps.remove(policies.CLAIM)
        assert provider_steps
        assert all(step.total.days >= 7 for step in provider_steps)

    def test_a_step_outlasts_its_calls_whatever_the_settings(self) -> None:
        """The client's own limit ends a call first: it knows whether the request had left."""
        read, write, download = (longest(f"{each}_seconds") for each in ("read", "write", "download"))
        assert policies.SEND.attempt > write
        assert policies.VOID.attempt > write
        assert policies.REMIND.attempt > write
        assert policies.GENERATE.attempt > read + write
        assert policies.LOOK.attempt > read
        assert policies.IDENTIFY.attempt > read
        assert policies.SEARCH.attempt > 10 * read
        assert policies.SEARCH.heartbeat is not None
        assert policies.SEARCH.heartbeat > read
        assert policies.ARCHIVE.attempt > 3 * read + download


def longest(setting: str) -> timedelta:
    limits = [each.le for each in ProviderSettings.model_fields[setting].metadata if isinstance(each, Le)]
    return timedelta(seconds=float(str(limits[0])))
