"""The process that records a run: `python -m copydesk.tracking.sidecar`, started by `follow.py`.

It reads one JSON message a line (open, point, close) and answers with lines to say or to warn of. Because it is a
process of its own, slow imports, dead servers and broken databases cannot hold up training, and a training process
that is killed outright is still recorded: its end of the pipe closes without a closing message.
"""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from copydesk.git import commit_of
from copydesk.tracking.backends import TRACKERS, Guarded, Tracker
from copydesk.tracking.record import Closing, Opening, Point

Message = dict[str, Any]
_ALONE_SECONDS = 60.0
"""How long it may go on after the training process has gone."""


def serve(
    batches: Iterable[list[Message]],
    emit: Callable[[str, str], None],
    trackers: Mapping[str, Callable[[], Tracker]],
) -> None:
    """Record one run from messages, those of a batch in one go; a run that ends without a closing was killed."""
    crew: list[Guarded] = []
    for batch in batches:
        for message in batch:
            if "open" in message:
                opening = with_git(Opening(**message["open"]), git_facts())
                crew = [Guarded(name, trackers[name](), emit) for name in message["trackers"]]
                for one in crew:
                    one.open(opening)
        points = [Point(**message["point"]) for message in batch if "point" in message]
        for one in crew if points else ():
            one.log(points)
        for message in batch:
            if "close" in message:
                return _close(crew, Closing(**message["close"]))
    _close(crew, Closing("KILLED"))


def git_facts(folder: str | None = None) -> dict[str, str]:
    """Return the commit of the working folder's repository and whether files differ from it; nothing outside one."""
    commit = commit_of(folder)
    return {"git.commit": commit.sha, "git.dirty": "yes" if commit.changed else "no"} if commit else {}


def with_git(opening: Opening, facts: Mapping[str, str]) -> Opening:
    """Return the opening with the repository's facts among its tags."""
    return replace(opening, tags={**opening.tags, **facts})


def _close(crew: Iterable[Guarded], closing: Closing) -> None:
    for one in crew:
        one.close(closing)


def batches(descriptor: int, *, at_end: Callable[[], None] = lambda: None) -> Iterator[list[Message]]:
    """Yield what has arrived since the last look, whole lines only.

    A thread empties the pipe while the trackers are busy: a pipe that fills up would look like a recorder that hangs.
    `at_end` is called after the last lines were dealt with.
    """
    arrived: queue.SimpleQueue[list[Message] | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(descriptor, arrived.put), daemon=True).start()
    ended = False
    while not ended:
        parts = [arrived.get()]
        while not arrived.empty():
            parts.append(arrived.get())
        ended = parts[-1] is None
        if messages := [message for part in parts for message in part or ()]:
            yield messages
    at_end()


def _read(descriptor: int, put: Callable[[list[Message] | None], None]) -> None:
    rest = b""
    while chunk := os.read(descriptor, 1 << 16):
        *lines, rest = (rest + chunk).split(b"\n")
        if lines:
            put([json.loads(line) for line in lines])
    put(None)


def _leave_soon() -> None:
    """End this process in a while, whatever a tracker still waits for: nobody is there any more."""
    alone = threading.Timer(_ALONE_SECONDS, os._exit, [1])
    alone.daemon = True
    alone.start()


def main() -> None:
    """Serve standard input; what libraries print goes nowhere."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def emit(kind: str, line: str) -> None:
        try:
            answers.write(json.dumps({kind: line}) + "\n")
            answers.flush()
        except OSError:
            pass  # nobody listens any more; the record still counts

    serve(batches(0, at_end=_leave_soon), emit, TRACKERS)


if __name__ == "__main__":
    main()
