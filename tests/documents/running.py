"""A page's blocks, run in order in the page's folder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from documents.needs import NEEDS, Needs
from documents.pages import Block, blocks
from documents.place import Place
from documents.world import World

RUN = ("bash", "python", "sql")
_LAST_LINE = re.compile(r"^[a-z]+: ")


def is_run(block: Block) -> bool:
    """Tell whether a block is run: it is of a language that is, and not declared as not run."""
    return block.language in RUN and not any(first_line_is(block, one.first_line) for one in needs(block).not_run)


def needs(block: Block) -> Needs:
    """Return what a block's page needs."""
    return NEEDS.get(block.page, Needs())


def first_line_is(block: Block, line: str) -> bool:
    return block.text.splitlines()[0].strip() == line


@contextmanager
def page_place(page: str, folder: Path, world: World) -> Iterator[Place]:
    """Yield the folder of a page with what it needs; what is left running is ended with the block."""
    place = Place(folder / "page", world)
    found = NEEDS.get(page, Needs())
    exits = [[one.command, one.code] for one in found.fails]
    place.set({"DOCUMENTS_EXITS": json.dumps(exits)})
    try:
        for name in found.made:
            place.take(name)
        for prepare in found.before:
            prepare(place)
        yield place
    finally:
        place.end()


def run_page(page: str, place: Place) -> None:
    """Run a page's blocks; what they print must end as the page says that it ends."""
    names: dict[str, Any] = {"__name__": "__main__"}
    if python := NEEDS.get(page, Needs()).python:
        run_python(python, page, names, place)
    printed, printed_at = "", 0
    for block in blocks(page):
        text = replaced(block, place)
        if block.language == "text" and block.line == printed_at + 2:
            check_shape(block, printed)
        elif not is_run(block):
            continue
        elif block.language == "bash":
            printed, printed_at = place.run(text), block.line + block.text.count("\n") + 1
        elif block.language == "sql":
            run_sql(text, place)
        else:
            run_python(text, block.name, names, place)


def replaced(block: Block, place: Place) -> str:
    """Return a block's text as it is run: with the page's own ports, and what its entry declares replaced."""
    text = place.with_ports(block.text)
    for one in needs(block).replaced:
        text = text.replace(place.with_ports(one.old), place.with_ports(one.new).format(**place.values))
    return text


def run_python(text: str, name: str, names: dict[str, Any], place: Place) -> None:
    """Run Python in the page's folder and environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place.folder)
        for variable, value in place.environment.items():
            if variable not in ("PYTHONPATH", "HOME"):
                patch.setenv(variable, value)
        patch.syspath_prepend(str(place.folder))
        exec(compile(text, name, "exec"), names)


def run_sql(text: str, place: Place) -> None:
    """Ask the page's PostgreSQL."""
    import psycopg2

    with psycopg2.connect(place.values["postgres"]) as connection, connection.cursor() as cursor:
        cursor.execute(text)
        cursor.fetchall()


def check_shape(block: Block, printed: str) -> None:
    """Require that commands print the last line of the output that a page shows: `bundle: …`, whatever the name."""
    last = [line for line in block.text.splitlines() if line.strip()][-1]
    if (kind := _LAST_LINE.match(last)) and printed:
        found = [line for line in printed.splitlines() if line.startswith(kind[0])]
        assert found, f"{block.name} ends with {last!r}, but nothing began so in\n{printed}"


def unused(page: str) -> list[str]:
    """Return what a page's entry declares and the page does not have."""
    found, text = NEEDS[page], "".join(block.text for block in blocks(page) if block.language in RUN)
    firsts = {block.text.splitlines()[0].strip() for block in blocks(page)}
    return [
        *(f"replaced: {one.old}" for one in found.replaced if one.old not in text),
        *(f"not run: {one.first_line}" for one in found.not_run if one.first_line not in firsts),
        *(f"fails: {one.command}" for one in found.fails if one.command not in text),
    ]
