"""`docker` as the documents use it: `build`, `run`, `push`, `compose`, held against the files that they name."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from documents.cloud_programs import read_yaml, require

TAKES_VALUE = {
    "build": ("-f", "--file", "--target", "--build-arg", "-t", "--tag"),
    "run": ("--tmpfs", "-p", "-e"),
    "push": (),
}
FLAGS = {"build": (), "run": ("--rm", "--read-only"), "push": ()}
COMPOSE = {"up": ("--build", "--detach", "-d", "--wait"), "run": ("--rm",)}
IMAGE = re.compile(r"(?:[a-z0-9.-]+/)*(copydesk-[a-z]+)(?::[\w.-]+)?")


def docker(words: list[str]) -> None:
    """Check what `docker` is told."""
    if words[0] == "compose":
        return compose(words[1:])
    require(words[0] in TAKES_VALUE, f"docker {words[0]}")
    options, rest = split(words[0], words[1:])
    {"build": build, "run": run, "push": push}[words[0]](options, rest)
    return None


def split(name: str, words: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Return options with their values, and what begins with the first other word."""
    options: dict[str, list[str]] = {}
    while words and words[0].startswith("-"):
        option = words.pop(0)
        require(option in (*TAKES_VALUE[name], *FLAGS[name]), f"docker {name} {option}")
        options.setdefault(option, []).extend([words.pop(0)] if option in TAKES_VALUE[name] else [])
    return options, words


def build(options: dict[str, list[str]], rest: list[str]) -> None:
    """The target and the arguments are the Dockerfile's; the bundle is one."""
    require(len(rest) == 1 and Path(rest[0]).is_dir(), f"docker build: the context {rest}")
    file = Path(*options.get("-f", ["Dockerfile"]))
    require(file.is_file(), f"docker build: there is no {file}")
    text = file.read_text("utf-8")
    require(options["--target"][0] in re.findall(r"^FROM .* AS (\S+)$", text, re.MULTILINE), "docker build: --target")
    for argument in options.get("--build-arg", []):
        name, _, value = argument.partition("=")
        require(name in re.findall(r"^ARG (\w+)=", text, re.MULTILINE), f"docker build: --build-arg {name}")
        require(name != "BUNDLE" or (Path(rest[0]) / value / "manifest.json").is_file(), f"no bundle at {value}")


def run(options: dict[str, list[str]], rest: list[str]) -> None:
    """The image was built before; the port is the one that it listens on."""
    require(rest[0] in built(), f"docker run: {rest[0]} was not built")
    for port in options.get("-p", []):
        require(re.fullmatch(r"127\.0\.0\.1:\d+:8000", port), f"docker run: -p {port}")
    require(all("=" in variable for variable in options.get("-e", [])), "docker run: -e")


def push(options: dict[str, list[str]], rest: list[str]) -> None:
    """The image is one that the Dockerfile makes, at a registry and with a tag."""
    found = IMAGE.fullmatch(rest[0])
    require(found and "/" in rest[0] and ":" in rest[0].rpartition("/")[2], f"docker push {rest[0]}")


def built() -> set[str]:
    """Return the names that `docker build` gave on this page."""
    notes = (Path(os.environ["DOCUMENTS_STATE"]) / "stand-ins").read_text("utf-8").splitlines()
    lines = [json.loads(line) for line in notes]
    return {line[line.index("-t") + 1] for line in lines if line[:2] == ["docker", "build"] and "-t" in line}


def compose(words: list[str]) -> None:
    """`docker compose [-f FILE] up|run`: files with services, whose secrets and variables are there."""
    files = []
    while words and words[0] in ("-f", "--file"):
        files, words = [*files, words[1]], words[2:]
    files = files or [file for file in ("compose.yaml", "docker-compose.yml") if Path(file).is_file()]
    require(files, "docker compose: no compose.yaml here")
    require(words and words[0] in COMPOSE, f"docker compose {' '.join(words)}")
    services = set().union(*(services_of(Path(file)) for file in files))
    rest = [word for word in words[1:] if word not in COMPOSE[words[0]]]
    if words[0] == "run":
        require(rest and rest[0] in services, f"docker compose run {rest[0]}: {', '.join(sorted(services))}")
        project = [word.removeprefix("/project/") for word in rest if word.startswith("/project/")]
        require(all(Path(word).exists() for word in project), f"docker compose run: {project}")
    else:
        require(set(rest) <= services, f"docker compose {' '.join(words)}")


def services_of(file: Path) -> set[str]:
    """Return the services of a file and of those that it includes."""
    require(file.is_file(), f"docker compose: there is no {file}")
    wanted = re.findall(r"\$\{(\w+):\?", file.read_text("utf-8"))
    require(all(os.environ.get(name) for name in wanted), f"docker compose: {file} wants {', '.join(wanted)}")
    values = read_yaml(file)
    for name, secret in (values.get("secrets") or {}).items():
        require((file.parent / secret["file"]).is_file(), f"docker compose: secret {name}: {secret['file']}")
    included = [name if isinstance(name, str) else name["path"] for name in values.get("include", [])]
    services = set(values.get("services") or {}).union(*(services_of(file.parent / name) for name in included))
    require(services, f"docker compose: no services in {file}")
    return services
