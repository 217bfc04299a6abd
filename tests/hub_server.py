"""A Hugging Face Hub of our own for models: repositories with commits, tags and large files, kept in memory.

It speaks what the Hub's client asks for: the REST API, commits as NDJSON with `parentCommit`, uploads by LFS. Like the
real one it leaves out of a commit what a .gitignore names, answers 412 when another commit came first, and takes large
files for LFS by their name. Xet, the Hub's newer way to move large files, it does not speak.
"""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

from servers import Answer, Asked, Server, part_of

_LARGE = ("*.safetensors", "*.onnx", "*.npz", "*.bin")


@dataclass
class Repository:
    """A repository: its commits by id, what its branch and its tags lead to."""

    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branch: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes]) -> str:
        """Let the branch stand at a new commit, and return it."""
        seed = f"{self.branch} {len(self.commits)} {sorted(files.items())!r}"
        self.branch = hashlib.sha1(seed.encode()).hexdigest()
        self.commits[self.branch] = dict(files)
        return self.branch

    def at(self, revision: str) -> str | None:
        """Return the commit that a branch, a tag or a commit's own name leads to."""
        named = {"main": self.branch, **self.tags, **{commit: commit for commit in self.commits}}
        return named.get(revision)

    @property
    def files(self) -> dict[str, bytes]:
        """The files of the newest commit."""
        return self.commits[self.branch]


class ModelHub(Server):
    """Repositories of models. `users` are names by token; everybody writes to their own repositories only.

    `before` looks at every request first and may answer instead; `after` may change the answer to what was done.
    """

    def __init__(self, users: dict[str, str]) -> None:
        super().__init__()
        self.users = users
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, bytes] = {}
        self.before: Callable[[Asked], Answer | None] = lambda asked: None
        self.after: Callable[[Asked, Answer], Answer] = lambda asked, answer: answer
        self._lock = threading.RLock()

    def answer(self, asked: Asked) -> Answer:
        instead = self.before(asked)
        if instead is not None:
            return instead
        with self._lock:
            return self.after(asked, self._answer(asked))

    def _answer(self, asked: Asked) -> Answer:
        place = urlsplit(asked.path)
        parts = [unquote(part) for part in place.path.strip("/").split("/")]
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        user = self.users.get(token)
        if parts[0] == "storage":
            return self._stored(asked, parts[1])
        if token and user is None:
            return _error(401, "Invalid credentials in Authorization header")
        if parts == ["api", "repos", "create"]:
            return self._create(json.loads(asked.body), user)
        if parts == ["api", "validate-yaml"]:
            return _validated(json.loads(asked.body)["content"])
        if parts == ["api", "models"]:
            return self._listed(parse_qs(place.query), user)
        rest = parts[2:] if parts[0] == "api" else parts
        name = "/".join(rest[:2]).removesuffix(".git")
        repository = self.repositories.get(name)
        if repository is None or (repository.private and user != rest[0]):
            return _error(404 if user else 401, "Repository not found", "RepoNotFound")
        if asked.method == "POST" and user != rest[0]:
            return _error(403, "You don't have the required permissions")
        if parts[0] == "api":
            return self._about_repository(asked, name, repository, rest[2:])
        if rest[2] == "info":
            return self._batch(json.loads(asked.body))
        return self._file(asked, repository, rest[3], "/".join(rest[4:]))

    def _about_repository(self, asked: Asked, name: str, repository: Repository, rest: list[str]) -> Answer:
        what, revision, *below = [*(rest or ["revision"]), "main"] if len(rest) < 2 else rest
        commit = repository.at(revision)
        if commit is None:
            return _error(404, "Revision not found", "RevisionNotFound")
        answers: dict[str, Callable[[], Answer]] = {
            "revision": lambda: _json(self._about(name, repository, commit)),
            "refs": lambda: _json(_refs(repository)),
            "tree": lambda: self._tree(repository.commits[commit], "/".join(below)),
            "tag": lambda: self._tag(repository, commit, json.loads(asked.body)["tag"]),
            "preupload": lambda: _json(
                {"files": [self._mode(repository, file) for file in json.loads(asked.body)["files"]]}
            ),
            "commit": lambda: self._commit(name, repository, asked.body),
        }
        return answers[what]()

    def _create(self, wanted: dict[str, Any], user: str | None) -> Answer:
        owner = wanted.get("organization") or user
        if user is None:
            return _error(401, "Invalid username or password.")
        if owner != user:
            return _error(403, f'You don\'t have the rights to create a model under the namespace "{owner}"')
        name = f"{owner}/{wanted['name']}"
        there = name in self.repositories
        if not there:
            self.repositories[name] = Repository(wanted.get("visibility") == "private")
            self.repositories[name].commit({".gitattributes": b"*.safetensors filter=lfs\n"})
        about = {"url": f"{self.root}/{name}", "name": name}
        return _json({**about, "error": "You already created this model repo"}, 409) if there else _json(about)

    def _listed(self, query: dict[str, list[str]], user: str | None) -> Answer:
        seen = {
            name: self._about(name, repository, repository.branch)
            for name, repository in self.repositories.items()
            if not repository.private or user == name.partition("/")[0]
        }
        owners, tags = query.get("author", []), query.get("filter", [])
        return _json(
            [
                about
                for name, about in seen.items()
                if all(name.startswith(f"{owner}/") for owner in owners) and set(tags) <= set(about["tags"])
            ]
        )

    def _about(self, name: str, repository: Repository, commit: str) -> dict[str, Any]:
        files = repository.commits[commit]
        metadata: dict[str, Any] = {}
        with suppress(yaml.YAMLError):
            metadata = _metadata(files.get("README.md", b"").decode())
        return {
            "id": name,
            "sha": commit,
            "private": repository.private,
            "tags": metadata.get("tags", []),
            "cardData": metadata,
            "siblings": [{"rfilename": path} for path in files],
        }

    def _tree(self, files: dict[str, bytes], folder: str) -> Answer:
        inside = {path: content for path, content in files.items() if not folder or path.startswith(f"{folder}/")}
        if not inside:
            return _error(404, f"{folder} does not exist", "EntryNotFound")
        return _json([_entry(path, content) for path, content in inside.items()])

    def _tag(self, repository: Repository, commit: str, tag: str) -> Answer:
        if tag in repository.tags:
            return _error(409, "Tag reference exists already")
        repository.tags[tag] = commit
        return _json({})

    def _mode(self, repository: Repository, file: dict[str, Any]) -> dict[str, Any]:
        ignored = repository.files.get(".gitignore", b"").decode().split()
        path, present = file["path"], repository.files.get(file["path"])
        return {
            "path": path,
            "uploadMode": "lfs" if _is_large(path) else "regular",
            "shouldIgnore": any(fnmatch.fnmatch(path.rpartition("/")[2], pattern) for pattern in ignored),
            "oid": None if present is None else _entry(path, present).get("lfs", _entry(path, present))["oid"],
        }

    def _batch(self, wanted: dict[str, Any]) -> Answer:
        def action(item: dict[str, Any]) -> dict[str, Any]:
            upload = {"upload": {"href": f"{self.root}/storage/{item['oid']}", "header": {}}}
            return {**item, **({} if item["oid"] in self.large else {"actions": upload})}

        return _json({"transfer": "basic", "objects": [action(item) for item in wanted["objects"]]})

    def _stored(self, asked: Asked, oid: str) -> Answer:
        if asked.method != "PUT":
            return part_of(self.large[oid], asked, f'"{oid}"') if oid in self.large else Answer(404)
        if hashlib.sha256(asked.body).hexdigest() != oid:
            return Answer(400)
        self.large[oid] = asked.body
        return Answer()

    def _commit(self, name: str, repository: Repository, body: bytes) -> Answer:
        lines = [json.loads(line) for line in body.splitlines()]
        parent = next(line["value"].get("parentCommit") for line in lines if line["key"] == "header")
        if parent is not None and parent != repository.branch:
            return _error(412, "A commit has happened since. Please refresh and try again.")
        files = dict(repository.files)
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.large:
                    return _error(400, f"LFS pointer pointed to a file that does not exist: {value['path']}")
                files[value["path"]] = self.large[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        commit = repository.commit(files)
        return _json({"commitUrl": f"{self.root}/{name}/commit/{commit}", "commitOid": commit})

    def _file(self, asked: Asked, repository: Repository, revision: str, path: str) -> Answer:
        commit = repository.at(revision)
        if commit is None:
            return _error(404, "Revision not found", "RevisionNotFound")
        content = repository.commits[commit].get(path)
        if content is None:
            answer = _error(404, "Entry not found", "EntryNotFound")
        elif _is_large(path):
            oid = hashlib.sha256(content).hexdigest()
            linked = {"X-Linked-Size": str(len(content)), "X-Linked-ETag": f'"{oid}"'}
            elsewhere = self.root.replace("127.0.0.1", "localhost")  # the client asks the Hub's own host for more
            answer = Answer(302, {"Location": f"{elsewhere}/storage/{oid}", **linked})
        else:
            answer = part_of(content, asked, f'"{_blob(content)}"')
        answer.headers = {**answer.headers, "X-Repo-Commit": commit}
        return answer


def _refs(repository: Repository) -> dict[str, Any]:
    tags = [{"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": at} for tag, at in repository.tags.items()]
    branch = {"name": "main", "ref": "refs/heads/main", "targetCommit": repository.branch}
    return {"branches": [branch], "converts": [], "tags": tags}


def _is_large(path: str) -> bool:
    return any(fnmatch.fnmatch(path, pattern) for pattern in _LARGE)


def _blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0%s" % (len(content), content)).hexdigest()


def _entry(path: str, content: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": _blob(content)}
    if _is_large(path):
        entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return entry


def _metadata(card: str) -> dict[str, Any]:
    if not card.startswith("---\n"):
        return {}
    return dict(yaml.safe_load(card.split("---\n")[1]) or {})


def _validated(card: str) -> Answer:
    try:
        _metadata(card)
    except yaml.YAMLError as error:
        return _json({"errors": [{"message": str(error)}], "warnings": []}, 400)
    return _json({"errors": [], "warnings": []})


def _error(status: int, message: str, code: str = "") -> Answer:
    headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {})}
    return Answer(status, {"Content-Type": "application/json", **headers}, json.dumps({"error": message}).encode())


def _json(value: object, status: int = 200) -> Answer:
    return Answer(status, {"Content-Type": "application/json"}, json.dumps(value).encode())
