"""Programs that are not here, would reach out, or take too long: strict about what they are told, and nothing else.

Each knows the subcommands and options that the documents use; files that it is named must exist and be what they should
be. What it does not know, it refuses: then it has to be taught, or the document is wrong.
"""

from __future__ import annotations

import glob
import json
import os
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(os.environ["DOCUMENTS_ROOT"])


def main(program: str, words: list[str]) -> None:
    """Check what the program is told, and leave a note of it."""
    with open(Path(os.environ["DOCUMENTS_STATE"]) / "stand-ins", "a") as file:
        file.write(json.dumps([program, *words]) + "\n")
    {
        "pip": pip,
        "make": make,
        "gh": gh,
        "docker": docker,
        "kubectl": kubectl,
        "gcloud": gcloud,
        "ray": ray,
    }.get(program, unknown)(words)


def unknown(words: list[str]) -> None:
    sys.exit(f"no stand-in knows this program: {' '.join(words)}")


def require(holds: object, why: str) -> None:
    if not holds:
        sys.exit(f"stand-in: {why}")


def pip(words: list[str]) -> None:
    """`pip install`: of Copydesk with extras that it has, or of what is pinned in its constraints."""
    require(words[0] == "install", f"pip {words[0]}")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    rest = words[1:]
    while rest:
        word = rest.pop(0)
        if word in ("--quiet", "--upgrade"):
            continue
        if word in ("-r", "-c", "--requirement", "--constraint"):
            require(Path(rest.pop(0)).is_file(), "pip: no such file")
            continue
        match = re.fullmatch(r"([a-zA-Z0-9._-]+)(?:\[([\w,]+)\])?(?:[=<>~]=[\w.*]+)?", word)
        require(match, f"pip: {word}")
        assert match is not None
        if match[1] == "copydesk":
            extras = set((match[2] or "").split(",")) - {""}
            require(extras <= set(project["optional-dependencies"]), f"pip: no such extra in {word}")
        else:
            require(match[1].lower() in pinned, f"pip: {word} is not in constraints.txt")


def make(words: list[str]) -> None:
    """`make TARGET`: a target of the Makefile. What it does is run by .ci/run itself."""
    rules = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    require(words and set(word for word in words if "=" not in word) <= set(rules), f"make {' '.join(words)}")


def gh(words: list[str]) -> None:
    """`gh attestation verify FILE --repo OWNER/REPO`."""
    require(words[:2] == ["attestation", "verify"], f"gh {' '.join(words)}")
    file, option, repository = words[2:]
    require(Path(file).is_file(), f"gh: there is no {file}")
    require(option == "--repo" and re.fullmatch(r"[\w-]+/[\w.-]+", repository), f"gh: {option} {repository}")


def ray(words: list[str]) -> None:
    """`ray start --head`, or `--address=HOST:PORT`; a cluster is not started here: `tests/e2e` has one."""
    require(words[0] == "start" and len(words) == 2, f"ray {' '.join(words)}")
    require(words[1] == "--head" or re.fullmatch(r"--address=[\w.-]+:\d+", words[1]), f"ray {words[1]}")


def docker(words: list[str]) -> None:
    """`docker compose [-f FILE] up|down|ps|logs|pull|build|config`: its files exist and are YAML with services."""
    if words[0] == "compose":
        return compose(words[1:])
    files = {"build": ("-f", "--file")}
    require(
        words[0] in ("build", "run", "push", "tag", "pull", "load", "save", "image", "stop", "logs", "login"), words[0]
    )
    for option in files.get(words[0], ()):
        if option in words:
            require(Path(words[words.index(option) + 1]).is_file(), f"docker: {option}")
    if words[0] == "build":
        require(Path(words[-1]).is_dir(), f"docker build: the context {words[-1]} is no folder")
    return None


def compose(words: list[str]) -> None:
    files = []
    while words and words[0].startswith("-"):
        require(words[0] in ("-f", "--file", "--profile", "--env-file"), f"docker compose {words[0]}")
        files += [words[1]] if words[0] in ("-f", "--file") else []
        words = words[2:]
    files = files or [file for file in ("compose.yaml", "docker-compose.yml") if Path(file).is_file()]
    require(files, "docker compose: no compose.yaml here")
    known = ("up", "down", "ps", "logs", "pull", "build", "config", "exec", "run", "restart", "stop", "start", "cp")
    require(words and words[0] in known, f"docker compose {' '.join(words)}")
    services = set().union(*(services_of(Path(file)) for file in files))
    require(services, "docker compose: no services")
    if words[0] in ("logs", "restart", "stop", "start", "exec", "run"):
        named = [word for word in words[1:] if not word.startswith("-")][:1]
        require(set(named) <= services, f"docker compose {' '.join(words)}: services are {', '.join(sorted(services))}")


def services_of(file: Path) -> set[str]:
    require(file.is_file(), f"docker compose: there is no {file}")
    values = read_yaml(file)
    included = [name if isinstance(name, str) else name["path"] for name in values.get("include", [])]
    secrets = {name: one.get("file") for name, one in (values.get("secrets") or {}).items()}
    for name, where in secrets.items():
        if where:
            variable = re.fullmatch(r"\$\{(\w+)(?::?[?-]([^}]*))?\}", where)
            path = os.environ.get(variable[1], "") if variable else where
            require(
                path and (file.parent / path).is_file() or Path(path).is_file(),
                f"docker compose: secret {name}: {path}",
            )
    return set(values.get("services", {})).union(*(services_of(file.parent / name) for name in included))


def kubectl(words: list[str]) -> None:
    """`kubectl apply|delete|diff -f FILES` of objects with kind and name; other known subcommands are taken as said."""
    known = ("apply", "delete", "diff", "get", "rollout", "logs", "create", "describe", "scale", "set", "wait", "top")
    words = [word for word in words if not word.startswith("--namespace")]
    require(words[0] in known, f"kubectl {words[0]}")
    for option in ("-f", "-k", "--filename"):
        if option in words:
            where = Path(words[words.index(option) + 1])
            require(where.exists(), f"kubectl: there is no {where}")
            for file in sorted(where.glob("*.yaml")) if where.is_dir() else [where]:
                for value in read_all_yaml(file):
                    require({"apiVersion", "kind"} <= set(value), f"kubectl: {file} holds no object")


def gcloud(words: list[str]) -> None:
    """`gcloud GROUP… COMMAND`: files named by options must exist."""
    known = (
        "run",
        "ai",
        "artifacts",
        "storage",
        "builds",
        "iam",
        "projects",
        "auth",
        "container",
        "services",
        "secrets",
    )
    words = [word for word in words if word not in ("beta", "alpha")]
    require(words[0] in (*known, "config"), f"gcloud {words[0]}")
    if words[:3] == ["run", "services", "replace"]:
        require(Path(words[3]).is_file(), f"gcloud: there is no {words[3]}")
    for word in words:
        option, _, value = word.partition("=")
        if option in ("--config", "--file", "--source-file", "--data-file"):
            require(Path(value).is_file(), f"gcloud: {word}")


def read_yaml(file: Path) -> dict:
    return read_all_yaml(file)[0]


def read_all_yaml(file: Path) -> list[dict]:
    sys.path += glob.glob(str(Path(sys.executable).parent.parent / "lib" / "python3*" / "site-packages"))
    prefix = Path(os.environ["DOCUMENTS_PYTHON"]).parent.parent
    sys.path += glob.glob(str(prefix / "lib" / "python3*" / "site-packages"))
    import yaml

    return [value for value in yaml.safe_load_all(file.read_text("utf-8")) if value]
