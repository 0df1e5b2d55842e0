"""The circuit by itself: its numbers, its walk through all states, and threads."""

import threading
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from countersign.providers.circuit import Circuit, CircuitRules, State
from countersign.providers.errors import (
    BlockedError,
    ContractBrokenError,
    KeyReplacedError,
    NotSentError,
    OutcomeUnknownError,
    ProviderError,
    RejectedError,
    ThrottledError,
    UnauthorizedError,
    UnavailableError,
    UntrustedCertificateError,
)

RULES = CircuitRules(failures=10, cooldown=60, blocked_probe=30, slots=20)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    return Circuit(RULES, clock)


def end(circuit: Circuit, error: BaseException | None = None) -> None:
    circuit.leave(circuit.enter("look"), error)


def unhealthy() -> ProviderError:
    return UnavailableError("look: HTTP 503", operation="look")


def unauthorized(status: int, *, about_key: bool = True) -> ProviderError:
    return UnauthorizedError("refused", operation="look", status=status, about_key=about_key)


def opened(circuit: Circuit) -> None:
    for _ in range(RULES.failures):
        end(circuit, unhealthy())


class TestOpening:
    def test_ten_failures_in_a_row_open_it(self, circuit: Circuit) -> None:
        for _ in range(9):
            end(circuit, unhealthy())
        assert circuit.snapshot().state is State.CLOSED
        end(circuit, unhealthy())
        assert circuit.snapshot().state is State.OPEN
        assert circuit.snapshot().allowed == 0

    @pytest.mark.parametrize(
        "answer",
        [None, RejectedError("no", operation="look", status=404), unauthorized(403, about_key=False)],
        ids=["success", "404", "403 of a role"],
    )
    def test_an_answer_starts_the_count_anew(self, circuit: Circuit, answer: ProviderError | None) -> None:
        for _ in range(5):
            for _ in range(9):
                end(circuit, unhealthy())
            end(circuit, answer)
        assert circuit.snapshot().state is State.CLOSED

    @pytest.mark.parametrize(
        "neutral",
        [
            ThrottledError("429", operation="look"),
            KeyReplacedError("401", operation="look"),
            BlockedError("held back by another", operation="look"),
            KeyError("a fault of our own"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_the_neutral_neither_counts_nor_clears(self, circuit: Circuit, neutral: BaseException) -> None:
        for _ in range(9):
            end(circuit, unhealthy())
            end(circuit, neutral)
        assert circuit.snapshot().state is State.CLOSED
        end(circuit, unhealthy())
        assert circuit.snapshot().state is State.OPEN

    @pytest.mark.parametrize(
        "failure", [UnavailableError, OutcomeUnknownError, NotSentError, ContractBrokenError]
    )
    def test_every_failure_counts(self, circuit: Circuit, failure: type[ProviderError]) -> None:
        for _ in range(10):
            end(circuit, failure("failed", operation="look"))
        assert circuit.snapshot().state is State.OPEN

    def test_switched_off_it_never_opens(self, clock: Clock) -> None:
        circuit = Circuit(CircuitRules(failures=0), clock)
        for _ in range(100):
            end(circuit, unhealthy())
            end(circuit, unauthorized(401))
        assert circuit.snapshot().state is State.CLOSED


class TestOpen:
    def test_a_call_is_held_for_what_is_left_of_the_cooldown(self, circuit: Circuit, clock: Clock) -> None:
        opened(circuit)
        clock.now += 45
        with pytest.raises(BlockedError) as held:
            circuit.enter("prepare_for_signing")
        assert held.value.retry_after == 15
        assert str(held.value) == "prepare_for_signing: held back: the provider is failing"

    def test_the_probe_is_due_after_the_cooldown_and_only_once(self, circuit: Circuit, clock: Clock) -> None:
        opened(circuit)
        assert circuit.snapshot().probe_in == 60
        clock.now += 60
        assert circuit.snapshot().probe_in == 0
        circuit.begin_probe()
        assert circuit.snapshot().probe_in == 60

    def test_a_failed_probe_begins_the_cooldown_anew(self, circuit: Circuit, clock: Clock) -> None:
        opened(circuit)
        clock.now += 60
        circuit.begin_probe()
        clock.now += 5
        circuit.end_probe(unhealthy())
        assert circuit.snapshot().state is State.OPEN
        assert circuit.snapshot().probe_in == 60

    def test_a_throttled_probe_decides_nothing(self, circuit: Circuit, clock: Clock) -> None:
        opened(circuit)
        clock.now += 60
        circuit.begin_probe()
        circuit.end_probe(ThrottledError("429", operation="probe"))
        assert circuit.snapshot().state is State.OPEN
        assert circuit.snapshot().probe_in == 60

    def test_calls_that_began_before_are_not_judged(self, circuit: Circuit, clock: Clock) -> None:
        hung = [circuit.enter("look") for _ in range(15)]
        for call in hung[:10]:
            circuit.leave(call, unhealthy())
        clock.now += 60
        circuit.begin_probe()
        circuit.end_probe(None)
        for call in hung[10:]:
            circuit.leave(call, unhealthy())
        assert circuit.snapshot().state is State.RECOVERING


class TestRecovering:
    @pytest.fixture
    def recovering(self, circuit: Circuit, clock: Clock) -> Circuit:
        opened(circuit)
        clock.now += 60
        circuit.begin_probe()
        circuit.end_probe(None)
        return circuit

    def test_slots_come_back_in_steps(self, recovering: Circuit) -> None:
        steps = []
        while recovering.snapshot().state is State.RECOVERING:
            steps.append(recovering.snapshot().allowed)
            for _ in range(recovering.snapshot().allowed):
                end(recovering)
        assert steps == [1, 2, 4, 8, 16]
        assert recovering.snapshot().allowed == 20
        assert recovering.snapshot().state is State.CLOSED

    def test_every_step_takes_as_many_good_calls_as_it_has_slots(self, recovering: Circuit) -> None:
        goods = 0
        while recovering.snapshot().state is State.RECOVERING:
            end(recovering)
            goods += 1
        assert goods == 1 + 2 + 4 + 8 + 16

    def test_no_more_than_allowed_are_under_way(self, recovering: Circuit) -> None:
        recovering.enter("look")
        with pytest.raises(BlockedError) as held:
            recovering.enter("look")
        assert held.value.retry_after == 1

    def test_one_failure_opens_it_at_once(self, recovering: Circuit) -> None:
        end(recovering)
        end(recovering, unhealthy())
        assert recovering.snapshot().state is State.OPEN
        assert recovering.snapshot().probe_in == 60


class TestHeld:
    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (unauthorized(401), "credentials refused"),
            (unauthorized(403), "permission refused"),
            (unauthorized(402), "plan exhausted"),
            (UntrustedCertificateError("tls", operation="look"), "certificate not trusted"),
        ],
    )
    def test_one_refusal_holds_the_queue_with_its_reason(
        self, circuit: Circuit, error: ProviderError, reason: str
    ) -> None:
        end(circuit, error)
        snapshot = circuit.snapshot()
        assert (snapshot.state, snapshot.reason, snapshot.allowed) == (State.BLOCKED, reason, 0)
        assert snapshot.probe_in == 0, "the key may have been replaced: look at once"

    def test_then_it_is_probed_every_thirty_seconds(self, circuit: Circuit, clock: Clock) -> None:
        end(circuit, unauthorized(401))
        for _ in range(3):
            circuit.begin_probe()
            circuit.end_probe(unauthorized(401))
            assert circuit.snapshot().probe_in == 30
            clock.now += 30
            assert circuit.snapshot().probe_in == 0

    def test_a_key_that_was_replaced_is_tried_at_once(self, circuit: Circuit) -> None:
        end(circuit, unauthorized(401))
        circuit.begin_probe()
        circuit.end_probe(KeyReplacedError("401", operation="probe"))
        assert circuit.snapshot().probe_in == 0
        circuit.begin_probe()
        circuit.end_probe(None)
        assert circuit.snapshot().state is State.RECOVERING

    def test_a_single_refused_request_cannot_make_it_probe_without_pause(
        self, circuit: Circuit, clock: Clock
    ) -> None:
        end(circuit, unauthorized(401))
        circuit.begin_probe()
        circuit.end_probe(None)
        clock.now += 1
        end(circuit, unauthorized(401))
        assert circuit.snapshot().probe_in == 29

    def test_a_403_that_is_not_about_the_key_holds_nothing_once_that_is_known(
        self, circuit: Circuit, clock: Clock
    ) -> None:
        end(circuit, unauthorized(403))
        assert circuit.snapshot().state is State.BLOCKED
        circuit.begin_probe()
        circuit.end_probe(None)
        for _ in range(1 + 2 + 4 + 8 + 16):
            clock.now += 0.9
            end(circuit, unauthorized(403))
        assert circuit.snapshot().state is State.CLOSED
        clock.now += 3
        end(circuit, unauthorized(403))
        assert circuit.snapshot().state is State.BLOCKED, "a key may lose its permission meanwhile"
        assert circuit.snapshot().probe_in == 0, "so it is looked at again, and at once"

    def test_a_403_of_the_probe_is_about_the_key(self, circuit: Circuit) -> None:
        end(circuit, unauthorized(403))
        circuit.begin_probe()
        circuit.end_probe(unauthorized(403))
        assert circuit.snapshot().state is State.BLOCKED
        assert circuit.snapshot().probe_in == 30

    def test_a_provider_that_falls_ill_meanwhile_is_probed_as_ill(self, circuit: Circuit) -> None:
        end(circuit, unauthorized(401))
        circuit.begin_probe()
        circuit.end_probe(unhealthy())
        assert circuit.snapshot().state is State.OPEN
        assert circuit.snapshot().probe_in == 60


ENDS: list[Callable[[], BaseException | None]] = [
    lambda: None,
    unhealthy,
    lambda: ThrottledError("429", operation="look"),
    lambda: RejectedError("no", operation="look", status=400),
    lambda: unauthorized(401),
    lambda: unauthorized(402),
    lambda: unauthorized(403),
    lambda: KeyReplacedError("401", operation="look"),
    lambda: RuntimeError("cancelled, or ours"),
]


class Walk(RuleBasedStateMachine):
    """Any order of calls, ends, probes and time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.numbers = CircuitRules(failures=3, cooldown=60, blocked_probe=30, slots=5)
        self.circuit = Circuit(self.numbers, self.clock)
        self.open_calls: list[int] = []
        self.probes: list[float] = []
        self.probing = False
        self.in_a_row = 0

    @rule()
    def call(self) -> None:
        before = self.circuit.snapshot()
        held: BlockedError | None = None
        try:
            self.open_calls.append(self.circuit.enter("look"))
        except BlockedError as error:
            held = error
        if held is None:
            assert before.state in {State.CLOSED, State.RECOVERING}
        else:
            assert before.state is not State.CLOSED
            assert held.retry_after is not None
            assert 1 <= held.retry_after <= self.numbers.cooldown

    @precondition(lambda self: self.open_calls)
    @rule(which=st.integers(min_value=0), end=st.sampled_from(ENDS))
    def leave(self, which: int, end: Callable[[], BaseException | None]) -> None:
        before = self.circuit.snapshot().state
        error = end()
        self.circuit.leave(self.open_calls.pop(which % len(self.open_calls)), error)
        after = self.circuit.snapshot().state
        if before in {State.OPEN, State.BLOCKED}:
            assert after is before, "only a probe ends a halt"
        if error is None:
            assert after in {before, State.CLOSED}

    @rule(seconds=st.integers(min_value=1, max_value=100))
    def pass_time(self, seconds: int) -> None:
        before = self.circuit.snapshot()
        self.clock.now += seconds
        after = self.circuit.snapshot()
        assert (before.state, before.allowed) == (after.state, after.allowed), "time alone changes nothing"

    @precondition(lambda self: not self.probing and self.circuit.snapshot().probe_in == 0)
    @rule()
    def begin_probe(self) -> None:
        self.circuit.begin_probe()
        self.probing = True
        assert self.circuit.snapshot().probe_in, "no second one beside it"

    @precondition(lambda self: self.probing)
    @rule(end=st.sampled_from(ENDS))
    def end_probe(self, end: Callable[[], BaseException | None]) -> None:
        self.probing = False
        self.circuit.end_probe(end())

    @invariant()
    def is_sound(self) -> None:
        now = self.circuit.snapshot()
        halted = now.state in {State.OPEN, State.BLOCKED}
        assert (now.allowed == 0) is halted
        assert (now.probe_in is not None) is halted
        assert now.allowed <= self.numbers.slots
        assert now.probe_in is None or now.probe_in <= self.numbers.cooldown
        assert bool(now.reason) is (now.state is not State.CLOSED)


Walk.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestWalk = Walk.TestCase


def test_threads_lose_no_failure_and_open_it_once() -> None:
    circuit = Circuit(CircuitRules(failures=1000, slots=8), Clock())
    changes: list[State] = []
    circuit.subscribe(lambda snapshot: changes.append(snapshot.state))

    def fail() -> None:
        for _ in range(250):
            end(circuit, unhealthy())

    threads = [threading.Thread(target=fail) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert changes == [State.OPEN]
