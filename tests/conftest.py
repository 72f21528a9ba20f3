"""What tests of the whole server share: a folder in which a server can start."""

from collections.abc import Callable
from pathlib import Path

import pytest

from auth_core.demo import DEMO_FILES
from tests.running import Prepared, prepare


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that wait, for a voice or for a timer to run out, begin first: the others fill the
    time that they wait."""
    items.sort(key=lambda item: item.get_closest_marker("socket") is None)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], None]:
    """Fills a folder with a database that holds the demo file; made once, copied each time."""
    made: list[Prepared] = []

    def fill(folder: Path) -> None:
        if not made:
            made.append(prepare(tmp_path_factory.mktemp("prepared"), DEMO_FILES))
        made[0].copy_to(folder)

    return fill
