"""The installed packages that a model's answers depend on, with their versions, as a bundle records them.

It knows the packages that read texts and compute; not the interpreter's build, the processor or its libraries.
"""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from copydesk import __version__

ANSWERS_DEPEND_ON = ("numpy", "onnxruntime", "safetensors", "tokenizers", "torch", "transformers", "scikit-learn")


def installed_packages() -> dict[str, str]:
    """Return the versions of what is installed of them, of Copydesk and of Python."""
    found = {"copydesk": __version__, "python": platform.python_version()}
    for name in ANSWERS_DEPEND_ON:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def changed_packages(recorded: dict[str, str], installed: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Return by name the recorded and the installed version of what is another now; patch releases of Python aside.

    A package that is not installed does not count: a server needs fewer than a training.
    """
    both = {name: (was, installed[name]) for name, was in recorded.items() if name in installed}
    return {name: pair for name, pair in both.items() if _told(name, pair[0]) != _told(name, pair[1])}


def _told(name: str, number: str) -> str:
    return ".".join(number.split(".")[:2]) if name == "python" else number
