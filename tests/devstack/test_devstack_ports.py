"""Test the choice of ports: free, wanted and preferred ones."""

import socket
from collections.abc import Iterator

import pytest

from countersign.free_ports import free_port
from devstack.ports import Ports, PortTakenError


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_picked_ports_differ() -> None:
    ports = Ports.pick()
    assert len({ports.temporal, ports.ui, ports.metrics, ports.sandbox, ports.receiver}) == 5


def test_a_wanted_port_is_used() -> None:
    port = free_port()
    assert Ports.pick(ui=port).ui == port


def test_a_wanted_port_in_use_is_an_error(taken: int) -> None:
    with pytest.raises(PortTakenError, match=f"port {taken}, wanted for receiver, is taken"):
        Ports.pick(receiver=taken)


def test_a_preferred_port_that_is_taken_is_replaced(taken: int) -> None:
    assert Ports.prefer({"receiver": taken}).receiver != taken


def test_the_first_preference_that_is_free_is_taken(taken: int) -> None:
    first, second = free_port(), free_port()
    assert Ports.prefer({"ui": first}, {"ui": second}).ui == first
    assert Ports.prefer({"ui": taken}, {"ui": second}).ui == second


def test_two_parts_cannot_have_one_port() -> None:
    port = free_port()
    with pytest.raises(PortTakenError, match=f"port {port} is wanted for ui and for receiver: name another"):
        Ports.pick(ui=port, receiver=port)


def test_a_wanted_port_overrides_a_preferred_one() -> None:
    port = free_port()
    ports = Ports.prefer({"receiver": port}, temporal=port)
    assert ports.temporal == port
    assert ports.receiver != port
