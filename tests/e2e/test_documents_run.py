"""Every command and every Python block of the documents, run page by page as a reader would."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from documents.needs import NEEDS
from documents.pages import PAGES, blocks
from documents.running import is_run, page_place, run_page
from documents.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore")]
RUN = [page for page in PAGES if any(is_run(block) for block in blocks(page))]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("world"))
    yield world
    world.end()


@pytest.mark.parametrize("page", RUN)
def test_the_blocks_of_a_page_run(page: str, tmp_path: Path, world: World) -> None:
    with page_place(page, tmp_path, world) as place:
        run_page(page, place)
        seen = (place.state / "exits").read_text().splitlines() if (place.state / "exits").is_file() else []
    assert set(seen) == {one.command for one in NEEDS[page].fails} if page in NEEDS else not seen
