"""Have the preloaded process run a command of Copydesk, and end as the command does.

python -m documents.forked SOCKET WORDS…
"""

from __future__ import annotations

import array
import json
import os
import signal
import socket
import struct
import sys

SIZE = struct.Struct("!I")
Files = tuple[int, int, int]


def run(path: str, words: list[str], files: Files = (0, 1, 2)) -> int:
    """Return how the command has ended, which reads and writes these open files."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(path)
        command = {"words": words, "folder": os.getcwd(), "environment": dict(os.environ)}
        data = json.dumps(command).encode()
        line.sendall(SIZE.pack(len(data)))
        handed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]
        sent = line.sendmsg([data], handed)
        line.sendall(data[sent:])
        forward(_number(line))
        return _number(line)


def forward(pid: int) -> None:
    """Pass on what tells this process to end."""
    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, lambda which, _: os.kill(pid, which))


def _number(line: socket.socket) -> int:
    found: int = SIZE.unpack(line.recv(SIZE.size, socket.MSG_WAITALL))[0]
    return found


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2:]))
