from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from countersign.connection import connect
from tests.chaos.chaos_ground import ground
from tests.chaos.chaos_scene import Scene
from tests.workflows.office import Office


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def standing_scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A hurried stack with two workers."""
    async with ground(tmp_path_factory.mktemp("ground")) as (stack, parts):
        client = await connect(environment=stack.env)
        yield Scene(stack, parts, Office.on(stack, client, patience=90))


@pytest_asyncio.fixture
async def scene(standing_scene: Scene) -> AsyncIterator[Scene]:
    """The stack; whatever a test killed runs again for the next one."""
    yield standing_scene
    await standing_scene.parts.all_up()
    await standing_scene.office.mend()
