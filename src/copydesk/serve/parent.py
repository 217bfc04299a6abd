"""A process that ends when the one that started it is gone, however that ended."""

from __future__ import annotations

import os
import signal
import threading
import time

_LOOK_S = 1.0


def end_with(parent: int) -> None:
    """From now on, end as on SIGTERM when the parent is another process than this one, i.e. when it is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_S)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
