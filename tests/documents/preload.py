"""A process that has imported what commands of Copydesk import, and forks for each one it is sent.

A command is told as its words, folder, environment and its three open files, and is a process of its own from then on:
with its own exit code, its own signals. Only the imports, two seconds of each command, are paid once. Nothing may have
run before the fork that starts threads: modules are imported, and that is all.

    python -m documents.preload SOCKET
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from documents.forked import SIZE

MODULES = (
    "copydesk.cli.main",
    "copydesk.training",
    "copydesk.compare",
    "copydesk.retraining.run",
    "copydesk.checks.run",
    "copydesk.gate.promote",
    "copydesk.monitor.report",
    "copydesk.pipeline.run",
    "copydesk.registry",
    "copydesk.score.run",
    "copydesk.serve.app",
    "copydesk.serve.process",
    "copydesk.describe.run",
    "copydesk.tuning.run",
    "fastapi",
    "matplotlib.pyplot",
    "mlflow",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "onnx",
    "onnxruntime",
    "pandera.polars",
    "polars",
    "prometheus_client",
    "pyarrow.parquet",
    "s3fs",
    "scipy.stats",
    "sklearn.linear_model",
    "tokenizers",
    "torch",
    "transformers",
    "transformers.models.bert.modeling_bert",
    "transformers.trainer",
    "uvicorn",
)


def main(path: str) -> None:
    """Import, listen, and serve commands until told to end."""
    import_all()
    gc.freeze()  # what is imported stays: no command need look through it, and no page of memory is copied for that
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as ready:
        ready.register(listener, selectors.EVENT_READ)
        ready.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fileobj is listener:
                    take(listener, running)
                else:
                    os.read(woken, 1 << 12)
            tell_ended(running)


def import_all() -> None:
    """Import what is there of `MODULES`; a name that has gone costs time and nothing else."""
    for name in MODULES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def take(listener: socket.socket, running: dict[int, socket.socket]) -> None:
    """Fork for the command that somebody sends."""
    line, _ = listener.accept()
    (size,) = SIZE.unpack(line.recv(SIZE.size, socket.MSG_WAITALL))
    data, files, _, _ = socket.recv_fds(line, size, 3)
    while len(data) < size:
        data += line.recv(size - len(data))
    pid = os.fork()
    if pid == 0:
        become(json.loads(data), files)
    for file in files:
        os.close(file)
    running[pid] = line
    line.sendall(SIZE.pack(pid))


def tell_ended(running: dict[int, socket.socket]) -> None:
    """Tell those that wait how their commands have ended: an exit code, or 128 and the signal."""
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        code = os.waitstatus_to_exitcode(status)
        with running.pop(pid) as line, contextlib.suppress(OSError):  # who asked may have gone
            line.sendall(SIZE.pack(code if code >= 0 else 128 - code))


def become(command: Mapping[str, Any], files: list[int]) -> NoReturn:
    """Be the command, in this forked process, until it ends."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.setsid()
        for number, file in enumerate(files):
            os.dup2(file, number)
        os.closerange(3, 1 << 10)
        os.environ.clear()
        os.environ.update(command["environment"])
        os.chdir(command["folder"])
        sys.argv = ["copydesk", *command["words"]]
        from copydesk.cli.main import main as copydesk

        try:
            copydesk()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        end(code)


def end(code: int) -> NoReturn:
    """End as an interpreter ends: what was to be done at the end is done, in every thread."""
    import atexit
    import threading

    with contextlib.suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1])
