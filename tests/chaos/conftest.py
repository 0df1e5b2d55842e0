from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from countersign.connection import connect
from tests.chaos.chaos_scene import Scene
from tests.chaos.chaos_stack import open_stack
from tests.workflows.office import Office


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def standing_scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A stack with two workers and short waits."""
    async with open_stack(tmp_path_factory.mktemp("chaos")) as (stack, parts):
        client = await connect(environment=stack.env)
        yield Scene(stack, parts, Office.on(stack, client, patience=90))


@pytest_asyncio.fixture
async def scene(standing_scene: Scene) -> AsyncIterator[Scene]:
    """The stack; its parts are restarted for the next test."""
    yield standing_scene
    await standing_scene.parts.all_up()
    await standing_scene.office.mend()
