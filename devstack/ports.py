"""Free ports of this machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Self

from countersign.free_ports import free_port, is_free


class PortTakenError(Exception):
    """A wanted port is in use, or two parts want the same port."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of the parts on the loopback address."""

    temporal: int
    ui: int
    metrics: int
    sandbox: int
    documenso: int
    receiver: int
    api: int

    @classmethod
    def pick(cls, **wanted: int) -> Self:
        """Choose the wanted ports, and free ones for the other parts.

        Raises:
            PortTakenError: A wanted port is in use, or two parts want the same port.
        """
        for (first, port), (second, second_port) in combinations(wanted.items(), 2):
            if port == second_port:
                raise PortTakenError(f"port {port} is wanted for {first} and for {second}: name another")
        ports: dict[str, int] = {}
        for name in cls.__slots__:
            port = wanted.get(name) or free_port([*wanted.values(), *ports.values()])
            if not is_free(port):
                raise PortTakenError(
                    f"port {port}, wanted for {name}, is taken: stop what uses it, or name another"
                )
            ports[name] = port
        return cls(**ports)

    @classmethod
    def prefer(cls, *preferences: Mapping[str, int], **wanted: int) -> Self:
        """Choose the wanted ports, else the first free preferences, else any free ports.

        Raises:
            PortTakenError: See `pick`.
        """
        ports = dict(wanted)
        for name in cls.__slots__:
            for port in (preference[name] for preference in preferences if name in preference):
                if name not in ports and port not in ports.values() and is_free(port):
                    ports[name] = port
        return cls.pick(**ports)
