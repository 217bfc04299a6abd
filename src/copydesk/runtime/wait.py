"""Waiting for a model that is not there yet: a registry that is being started, an alias that nothing has been given."""

from __future__ import annotations

import time
from collections.abc import Callable

from copydesk.bundle_store import BundleStore
from copydesk.errors import BundleError, CopydeskError, RegistryError, UsageError
from copydesk.registry.references import is_reference, parse
from copydesk.remote.store import is_address
from copydesk.runtime.versions import fingerprint

LOOK_S = 2.0


def look_for(model: str) -> None:
    """Return if `model` leads somewhere. Raises `RegistryError` or `OSError` for what may come to be there."""
    if not is_address(model):
        fingerprint(model)
        return
    try:
        manifest = BundleStore(model).manifest()
    except (BundleError, UsageError):
        raise
    except CopydeskError as error:
        raise RegistryError(str(error)) from None
    if manifest is None:
        raise RegistryError(f"There is no bundle at '{model}' yet: it has no manifest, or may not be read.")


def wait_for_model(
    model: str,
    tell: Callable[[str], None],
    *,
    look: Callable[[str], object] = look_for,
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
