"""Under overload every delivery is answered in time: with 2xx, or at once with 503."""

import asyncio
from contextlib import ExitStack

import httpx
import pytest
from temporalio.client import Client

from countersign.webhooks import admission
from countersign.webhooks.admission import FEWEST, MOST, Admission
from countersign.webhooks.delivery import Delivery
from countersign.webhooks.outcome import DeliveryOutcome, RejectedDeliveryError
from tests.webhooks.webhook_deliveries import PATH, encode, envelope, sign
from tests.webhooks.webhook_receivers import receiver_in_process


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def run(admission: Admission, clock: Clock, *, responses: int, pace: float) -> int:
    """Keep as many in flight as are admitted while responses come at a pace; return how many that is."""
    admitted: list[ExitStack] = []
    for _ in range(responses):
        fill(admission, admitted)
        clock.now += pace
        admitted.pop(0).close()
    fill(admission, admitted)
    for stack in admitted:
        clock.now += pace
        stack.close()
    return len(admitted)


def fill(admission: Admission, admitted: list[ExitStack]) -> None:
    while True:
        stack = ExitStack()
        try:
            stack.enter_context(admission.admit())
        except RejectedDeliveryError:
            return
        admitted.append(stack)


@pytest.mark.parametrize("pace", [0.004, 0.01, 0.02])
def test_what_is_admitted_is_answered_within_three_seconds(pace: float) -> None:
    clock = Clock()
    admitted = run(Admission(clock=clock), clock, responses=2000, pace=pace)
    assert admitted * pace <= 3.1
    assert admitted >= 140


def test_a_slow_server_leaves_the_fewest_and_a_fast_one_the_most() -> None:
    clock = Clock()
    measured = Admission(clock=clock)
    assert run(measured, clock, responses=2000, pace=1) == FEWEST
    assert run(measured, clock, responses=5000, pace=0.0001) == MOST


def test_a_pause_between_bursts_is_no_slow_response() -> None:
    clock = Clock()
    measured = Admission(clock=clock)
    before = run(measured, clock, responses=1000, pace=0.01)
    clock.now += 86_400
    assert run(measured, clock, responses=1, pace=0.01) == pytest.approx(before, abs=5)


async def test_what_is_shed_is_asked_to_come_again(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def deliver(*_: object) -> DeliveryOutcome:
        await asyncio.sleep(0.2)
        return DeliveryOutcome.NOT_OURS

    monkeypatch.setattr(Delivery, "deliver", deliver)
    monkeypatch.setattr(admission, "FEWEST", 1)
    monkeypatch.setattr(admission, "MOST", 1)
    body = encode(envelope("no marker"))
    async with receiver_in_process(client) as url, httpx.AsyncClient(base_url=url) as http:
        responses = await asyncio.gather(
            *(http.post(PATH, content=body, headers=sign(body)) for _ in range(30))
        )
    by_status = {response.status_code: response for response in responses}
    assert set(by_status) == {200, 503}
    assert int(by_status[503].headers["retry-after"]) > 0
