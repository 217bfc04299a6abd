"""A Weights & Biases of our own: projects with artifacts in versions, aliases, metadata and files, kept in memory.

It speaks what W&B's client and its background process, wandb-core, ask for: GraphQL for everything but the contents of
files, which go to and come from addresses of their own. Queries are really read and answered from state; a field that
it does not know is an error, not silence. Like the real one it gives a version its number only when the artifact is
committed, commits none of which a file is missing, takes equal contents for the same version, and moves an alias
without asking where it led.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    value_from_ast_untyped,
)
from graphql import parse as parse_graphql
from graphql.language import SelectionSetNode

from servers import Answer, Asked, Server

AT = "2026-11-21T10:00:00Z"
Object = dict[str, Any]


@dataclass(eq=False)
class Artifact:
    """A version, or one that is being made: then its index is None."""

    id: str
    sequence: Sequence
    digest: str
    metadata: str
    description: str | None = None
    index: int | None = None
    wanted: list[str] = field(default_factory=list)
    manifest: str = ""


@dataclass(eq=False)
class Sequence:
    """An artifact's name in a project: its versions, and where its aliases lead."""

    name: str
    kind: str
    project: tuple[str, str]
    versions: list[Artifact] = field(default_factory=list)
    aliases: dict[str, Artifact] = field(default_factory=dict)


@dataclass
class State:
    """All that a server holds."""

    sequences: dict[tuple[str, str, str], Sequence] = field(default_factory=dict)
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    manifests: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    runs: set[str] = field(default_factory=set)


class Refused(Exception):
    """What GraphQL answers as an error, with the status it comes with."""

    def __init__(self, message: str, status: int = 200) -> None:
        super().__init__(message)
        self.status = status


class WandbServer(Server):
    """Projects of one entity. `key` is the API key that it knows.

    `before` looks at every request first and may answer instead; `operation` names what GraphQL is asked for.
    """

    def __init__(self, key: str, entity: str = "team") -> None:
        super().__init__()
        self.key, self.entity = key, entity
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.state = State()
        self.before: Callable[[str, Asked], Answer | None] = lambda operation, asked: None
        self.operations: list[str] = []

    def answer(self, asked: Asked) -> Answer:
        body = gzip.decompress(asked.body) if asked.headers.get("content-encoding") == "gzip" else asked.body
        operation = _operation(body) if asked.path == "/graphql" else urlsplit(asked.path).path
        self.operations.append(operation)
        instead = self.before(operation, asked)
        if instead is not None:
            return instead
        with self._lock:
            return self._answer(asked, body)

    def _answer(self, asked: Asked, body: bytes) -> Answer:
        parts = [unquote(part) for part in urlsplit(asked.path).path.strip("/").split("/")]
        if parts[0] == "storage":  # signed addresses: no key
            if asked.method == "PUT":
                self.state.files[parts[1]] = body
            return Answer(body=self.state.files[parts[1]]) if parts[1] in self.state.files else Answer(404)
        if asked.headers.get("authorization") != "Basic " + base64.b64encode(f"api:{self.key}".encode()).decode():
            return _json({"errors": [{"message": "user is not logged in"}]}, 401)
        if parts[0] == "artifactsV2":
            content = self.state.files.get(parts[-2])
            return Answer(404) if content is None else Answer(body=content)
        if parts[0] == "files":
            return _json({"exitcode": None, "limits": {}})
        assert parts == ["graphql"], asked.path
        return self._graphql(json.loads(body))

    def _graphql(self, asked: Object) -> Answer:
        document = parse_graphql(asked["query"])
        fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        (operation,) = (node for node in document.definitions if isinstance(node, OperationDefinitionNode))
        defaults = {
            node.variable.name.value: value_from_ast_untyped(node.default_value)
            for node in operation.variable_definitions
            if node.default_value is not None
        }
        reading = _Reading(fragments, {**defaults, **(asked.get("variables") or {})})
        try:
            return _json({"data": reading.read(self._root(), operation.selection_set)})
        except Refused as refused:
            return _json({"errors": [{"message": str(refused)}], "data": None}, refused.status)

    def _root(self) -> Object:
        return {
            "viewer": {
                "id": "user",
                "entity": self.entity,
                "username": "ada",
                "email": "ada@example.com",
                "flags": "{}",
                "teams": {"edges": []},
            },
            "serverInfo": {"features": []},
            "entity": lambda name: {"organization": None, "project": None},
            "project": self._project,
            "artifact": lambda id: self._artifact(self.state.artifacts[id]),
            "clientIDMapping": lambda clientID: None,
            "upsertBucket": self._upsert_run,
            "createRunFiles": self._run_files,
            "markRunFilesUploaded": lambda input: {"success": True},
            "createArtifact": self._create,
            "createArtifactManifest": self._create_manifest,
            "updateArtifactManifest": self._update_manifest,
            "createArtifactFiles": self._create_files,
            "commitArtifact": self._commit,
            "addAliases": self._add_aliases,
            "deleteAliases": self._delete_aliases,
            "updateArtifact": self._update,
        }

    def _allowed(self, entity: str) -> None:
        if entity != self.entity:
            raise Refused(f"permission denied: {entity}", 403)

    # --- what is there ---

    def _project(self, name: str, entityName: str) -> Object | None:  # noqa: N803 (GraphQL's name)
        self._allowed(entityName)
        within = [
            one for (entity, project, _), one in self.state.sequences.items() if (entity, project) == (entityName, name)
        ]
        if not within and name not in {run.split("/")[0] for run in self.state.runs}:
            return None

        def sequence(name: str) -> Object | None:
            return next((self._sequence(one) for one in within if one.name == name), None)

        def kind(name: str) -> Object | None:
            of_kind = [one for one in within if one.kind == name and one.versions]
            if not of_kind:
                return None
            return {
                "__typename": "ArtifactType",
                "id": f"type-{name}",
                "name": name,
                "description": None,
                "createdAt": AT,
                "artifactCollections": lambda **_: _connection([self._sequence(one) for one in of_kind]),
                "artifactCollection": lambda name: sequence(name) if name in {one.name for one in of_kind} else None,
            }

        def member(name: str) -> Object | None:
            wanted, _, alias = name.partition(":")
            return next((self._member(one, alias or "latest") for one in within if one.name == wanted), None)

        return {
            **_project_info((entityName, name)),
            "artifact": lambda name: (member(name) or {}).get("artifact"),
            "artifactType": kind,
            "artifactTypes": lambda **_: _connection([kind(name) for name in {one.kind for one in within}]),
            "artifactCollection": sequence,
            "artifactCollectionMembership": member,
        }

    def _sequence(self, one: Sequence) -> Object:
        newest = one.versions[::-1]
        return {
            "__typename": "ArtifactSequence",
            "id": f"sequence-{one.name}",
            "name": one.name,
            "description": None,
            "createdAt": AT,
            "updatedAt": AT,
            "project": _project_info(one.project),
            "defaultArtifactType": {"__typename": "ArtifactType", "name": one.kind},
            "tags": _connection([]),
            "artifacts": lambda **_: _connection([self._artifact(version) for version in newest], versions=True),
            "artifactMembership": lambda aliasName: self._member(one, aliasName),
            "latestArtifact": self._artifact(newest[0]) if newest else None,
            "digestAlgorithm": "MANIFEST_MD5",
        }

    def _member(self, one: Sequence, alias: str) -> Object | None:
        named = {**one.aliases, **{f"v{version.index}": version for version in one.versions}}
        if alias not in named:
            return None
        artifact = named[alias]
        return {
            "__typename": "ArtifactCollectionMembership",
            "id": f"member-{artifact.id}",
            "versionIndex": artifact.index,
            "createdAt": AT,
            "aliases": self._aliases(artifact),
            "artifactCollection": self._sequence(one),
            "artifact": self._artifact(artifact),
        }

    def _aliases(self, artifact: Artifact) -> list[Object]:
        collection = {
            "__typename": "ArtifactSequence",
            "name": artifact.sequence.name,
            "project": _project_info(artifact.sequence.project),
        }
        return [
            {"__typename": "ArtifactAlias", "id": f"alias-{alias}", "alias": alias, "artifactCollection": collection}
            for alias, target in artifact.sequence.aliases.items()
            if target is artifact
        ]

    def _artifact(self, artifact: Artifact) -> Object:
        one = artifact.sequence
        return {
            "__typename": "Artifact",
            "id": artifact.id,
            "artifactSequence": lambda: self._sequence(one),
            "versionIndex": artifact.index,
            "artifactType": {"name": one.kind},
            "description": artifact.description,
            "metadata": artifact.metadata,
            "ttlDurationSeconds": -2,
            "ttlIsInherited": True,
            "tags": [],
            "historyStep": None,
            "state": "PENDING" if artifact.index is None else "COMMITTED",
            "size": 0,
            "digest": artifact.digest,
            "commitHash": artifact.id[-8:],
            "fileCount": 0,
            "createdAt": AT,
            "updatedAt": None,
            "aliases": lambda: self._aliases(artifact),
            "currentManifest": {
                "__typename": "ArtifactManifest",
                "id": artifact.manifest,
                "file": {"directUrl": f"{self.root}/storage/{artifact.manifest}"},
            },
        }

    # --- what is done ---

    def _upsert_run(self, input: Object) -> Object:
        self._allowed(input["entityName"])
        self.state.runs.add(f"{input['modelName']}/{input['name']}")
        bucket = {
            "id": f"run-{input['name']}",
            "name": input["name"],
            "displayName": input.get("displayName") or input["name"],
            "description": None,
            "config": input.get("config"),
            "sweepName": None,
            "project": {**_project_info((input["entityName"], input["modelName"]))},
            "historyLineCount": 0,
        }
        return {"bucket": bucket, "inserted": True}

    def _run_files(self, input: Object) -> Object:
        files = [{"name": name, "uploadUrl": f"{self.root}/storage/run-{name}"} for name in input["files"]]
        return {"runID": input["runName"], "uploadHeaders": [], "files": files}

    def _create(self, input: Object) -> Object:
        self._allowed(input["entityName"])
        (name,) = input.get("artifactCollectionNames") or [input["artifactCollectionName"]]
        place = (input["entityName"], input["projectName"], name)
        kind = input["artifactTypeName"]
        one = self.state.sequences.setdefault(place, Sequence(name, kind, place[:2]))
        if one.kind != kind:
            raise Refused(f"artifact sequence {name} has type {one.kind}, not {kind}")
        same = next((version for version in one.versions if version.digest == input["digest"]), None)
        artifact = same if input.get("enableDigestDeduplication") else None
        aliases = [alias["alias"] for alias in input.get("aliases") or []]
        if artifact is None:
            number = len(self.state.artifacts)
            artifact = Artifact(
                f"artifact-{number:08d}", one, input["digest"], input.get("metadata") or "{}", input.get("description")
            )
            artifact.wanted = aliases
            self.state.artifacts[artifact.id] = artifact
        else:
            one.aliases.update(dict.fromkeys(aliases, artifact))
        return {"__typename": "CreateArtifactPayload", "artifact": self._artifact(artifact)}

    def _create_manifest(self, input: Object) -> Object:
        artifact = self.state.artifacts[input["artifactID"]]
        self.state.manifests += 1
        artifact.manifest = f"manifest-{self.state.manifests}"
        return {"artifactManifest": self._manifest(artifact.manifest)}

    def _update_manifest(self, input: Object) -> Object:
        return {"artifactManifest": self._manifest(input["artifactManifestID"])}

    def _manifest(self, manifest: str) -> Object:
        file = {"id": f"file-{manifest}", "uploadUrl": f"{self.root}/storage/{manifest}", "uploadHeaders": []}
        return {"id": manifest, "file": file}

    def _create_files(self, input: Object) -> Object:
        def node(wanted: Object) -> Object:
            name = base64.b64decode(wanted["md5"]).hex()
            return {
                "storagePath": f"{self.entity}/{name}",
                "uploadUrl": None if name in self.state.files else f"{self.root}/storage/{name}",
                "uploadHeaders": [],
                "uploadMultipartUrls": None,
                "artifact": {"id": wanted["artifactID"]},
            }

        return {"files": _connection([node(wanted) for wanted in input["artifactFiles"]])}

    def _commit(self, input: Object) -> Object:
        artifact = self.state.artifacts[input["artifactID"]]
        content = self.state.files.get(artifact.manifest)
        if content is None:
            raise Refused("artifact has no manifest")
        for name, entry in json.loads(content)["contents"].items():
            stored = self.state.files.get(base64.b64decode(entry["digest"]).hex())
            if stored is None or base64.b64encode(hashlib.md5(stored).digest()).decode() != entry["digest"]:
                raise Refused(f"file {name} was not uploaded")
        if artifact.index is None:
            one = artifact.sequence
            artifact.index = len(one.versions)
            one.versions.append(artifact)
            one.aliases.update(dict.fromkeys(artifact.wanted, artifact))
        return {"artifact": self._artifact(artifact)}

    def _add_aliases(self, input: Object) -> Object:
        artifact = self.state.artifacts[input["artifactID"]]
        for alias in input["aliases"]:
            self._allowed(alias["entityName"])
            artifact.sequence.aliases[alias["alias"]] = artifact
        return {"success": True}

    def _delete_aliases(self, input: Object) -> Object:
        artifact = self.state.artifacts[input["artifactID"]]
        for alias in input["aliases"]:
            artifact.sequence.aliases.pop(alias["alias"], None)
        return {"success": True}

    def _update(self, input: Object) -> Object:
        artifact = self.state.artifacts[input["artifactID"]]
        artifact.metadata = input.get("metadata") or artifact.metadata
        artifact.description = input.get("description") or artifact.description
        return {"artifact": self._artifact(artifact)}


@dataclass
class _Reading:
    """Reads a selection from objects: a field is a value, or a function of its arguments."""

    fragments: dict[str, FragmentDefinitionNode]
    variables: Object

    def read(self, value: Any, selection: SelectionSetNode | None) -> Any:
        if isinstance(value, list):
            return [self.read(one, selection) for one in value]
        if selection is None or value is None:
            return value
        answer: Object = {}
        for node in selection.selections:
            if not self._included(node):
                continue
            if isinstance(node, FieldNode):
                given = {argument.name.value: self._value(argument.value) for argument in node.arguments}
                found = value[node.name.value]
                found = found(**given) if callable(found) else found
                answer[(node.alias or node.name).value] = self.read(found, node.selection_set)
            else:
                assert isinstance(node, FragmentSpreadNode | InlineFragmentNode)
                inner = self.fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
                answer.update(self.read(value, inner.selection_set))
        return answer

    def _included(self, node: Any) -> bool:
        wanted = [one for one in node.directives if one.name.value == "include"]
        return all(self._value(one.arguments[0].value) for one in wanted)

    def _value(self, node: Any) -> Any:
        return value_from_ast_untyped(node, self.variables)


def _project_info(project: tuple[str, str]) -> Object:
    entity = {"id": f"entity-{project[0]}", "name": project[0], "organization": None}
    return {
        "__typename": "Project",
        "id": f"project-{project[1]}",
        "internalId": "1",
        "name": project[1],
        "entity": entity,
    }


def _connection(nodes: list[Object], versions: bool = False) -> Object:
    page = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}
    edges = [{"node": node, **({"version": f"v{node['versionIndex']}"} if versions else {})} for node in nodes]
    return {"totalCount": len(nodes), "pageInfo": page, "edges": edges}


def _operation(body: bytes) -> str:
    found = re.search(r"(?:query|mutation)\s+(\w+)", json.loads(body)["query"])
    return found[1] if found else ""


def _json(value: object, status: int = 200) -> Answer:
    return Answer(status, {"Content-Type": "application/json"}, json.dumps(value).encode())
