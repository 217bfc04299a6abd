"""Waiting for a model that is not there yet: a registry that is being started, an alias that nothing has been given."""

from __future__ import annotations

import time
from collections.abc import Callable

from copydesk.errors import RegistryError
from copydesk.registry.references import is_reference, parse
from copydesk.runtime.versions import fingerprint

LOOK_S = 2.0


def wait_for_model(
    model: str,
    tell: Callable[[str], None],
    *,
    look: Callable[[str], object] = fingerprint,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return once `model` leads somewhere; it is looked for every two seconds, and each new reason why not is told.

    Raises what no waiting mends: `UsageError`, and `RegistryError` for a name that cannot be.
    """
    if is_reference(model):
        parse(model)
    told = ""
    while True:
        try:
            look(model)
            return
        except (RegistryError, OSError) as error:
            if str(error) != told:
                told = str(error)
                tell(f"Waiting for {model}, as there is no model yet: {told}")
        sleep(LOOK_S)
