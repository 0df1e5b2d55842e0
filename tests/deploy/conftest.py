from collections.abc import Iterator

import pytest

from tests.observability.collector import Collector, collecting


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running
