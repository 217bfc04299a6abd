"""What no code here may do to what comes from outside, found by reading the code: a walk over its syntax tree.

Names are followed through imports, aliases, assignments and `getattr` with a constant; what a program computes at run
time is not (`tests/e2e/test_unpickling.py` watches that). Every finding is a rule's name and a line.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

UNPICKLING = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib", "jsonpickle"}
"""Modules that make objects, and so run code, of what they read."""
LOADERS = {
    "torch.jit.load",
    "torch.hub.load",
    "torch.hub.load_state_dict_from_url",
    "torch.package.PackageImporter",
    "torch.serialization.load",
    "torch.UntypedStorage.from_file",
    "pandas.read_pickle",
    "polars.DataFrame.deserialize",
    "polars.LazyFrame.deserialize",
    "polars.Expr.deserialize",
    "mlflow.pyfunc",
    "mlflow.sklearn",
    "mlflow.pytorch",
    "mlflow.transformers",
    "sklearn.externals",
    "numpy.lib.format.read_array",
    "ray.cloudpickle",
    "multiprocessing.connection",
    "multiprocessing.managers",
    "logging.config.listen",
    "xmlrpc",
}
YAML = {"yaml.unsafe_load", "yaml.unsafe_load_all", "yaml.full_load", "yaml.full_load_all", "yaml.load_all"}
YAML |= {
    "yaml.Loader",
    "yaml.UnsafeLoader",
    "yaml.FullLoader",
    "yaml.CLoader",
    "yaml.CUnsafeLoader",
    "yaml.CFullLoader",
}
SAFE_LOADERS = {"yaml.SafeLoader", "yaml.CSafeLoader"}
CODE = {"eval", "exec", "compile", "__import__", "code.interact", "runpy", "builtins.eval", "builtins.exec"}
SHELL = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "pty.spawn", "commands"}
FILES = {"tempfile.mktemp", "shutil.unpack_archive", "os.tempnam"}
UNPACKING = {"extractall", "extract"}
RISKY_MODULES = {"torch", "numpy", "yaml", "os", "subprocess", "builtins", "pandas", "importlib"}
NAMED = {
    **dict.fromkeys(LOADERS, "unpickles"),
    **dict.fromkeys(YAML, "yaml"),
    **dict.fromkeys(CODE, "runs data"),
    **dict.fromkeys(SHELL, "shell"),
    **dict.fromkeys(FILES, "file race or archive"),
}


_NAMING = (ast.Import, ast.ImportFrom, ast.Assign, ast.NamedExpr, ast.AnnAssign, ast.ClassDef)


@dataclass(frozen=True)
class Finding:
    """What is forbidden, and where."""

    rule: str
    line: int
    what: str


def findings(source: str) -> list[Finding]:
    """Return everything that is forbidden in a module's source."""
    walk = _Walk(ast.parse(source))
    return sorted(set(walk.found()), key=lambda finding: finding.line)


class _Walk:
    def __init__(self, tree: ast.Module) -> None:
        self._nodes = list(ast.walk(tree))
        self._names: dict[str, str] = {}
        self._safe = set(SAFE_LOADERS)
        self._called: set[ast.expr] = set()
        naming = [node for node in self._nodes if isinstance(node, _NAMING)]
        for _ in range(3):  # an alias of an alias of an alias
            for node in naming:
                self._learn(node)

    def found(self) -> Iterator[Finding]:
        """Yield the findings, some of them twice."""
        for node in self._nodes:
            if isinstance(node, ast.Call):
                yield from self._call(node)
        for node in self._nodes:
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield from self._import(node)
            elif isinstance(node, ast.Constant) and node.value in UNPICKLING:
                yield Finding("unpickles", node.lineno, repr(node.value))
            elif isinstance(node, ast.Name | ast.Attribute | ast.Call):
                yield from self._reference(node)

    def _learn(self, node: ast.AST) -> None:
        """Note what a name stands for."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                self._names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            self._names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Assign | ast.NamedExpr | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            named = self._named(node.value)
            self._names |= {target.id: named for target in targets if isinstance(target, ast.Name) and named}
        elif isinstance(node, ast.ClassDef) and any(self._named(base) in self._safe for base in node.bases):
            self._safe.add(node.name)

    def _named(self, node: ast.expr) -> str:
        """Return the dotted name that an expression stands for, "" for anything else."""
        if isinstance(node, ast.Name):
            return self._names.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            before = self._named(node.value)
            return f"{before}.{node.attr}" if before else ""
        if isinstance(node, ast.Call) and self._named(node.func) == "getattr" and len(node.args) >= 2:
            before, name = self._named(node.args[0]), node.args[1]
            return f"{before}.{name.value}" if before and isinstance(name, ast.Constant) else ""
        if isinstance(node, ast.Call) and self._named(node.func) in ("importlib.import_module", "__import__"):
            name = node.args[0] if node.args else None
            return str(name.value) if isinstance(name, ast.Constant) else ""
        return ""

    def _import(self, node: ast.Import | ast.ImportFrom) -> Iterator[Finding]:
        modules = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            modules = [node.module or "", *(f"{node.module}.{name}" for name in modules)]
        for module in modules:
            if module.partition(".")[0] in UNPICKLING:
                yield Finding("unpickles", node.lineno, module)
            for name, rule in NAMED.items():
                if module == name or module.startswith(f"{name}."):
                    yield Finding(rule, node.lineno, module)

    def _reference(self, node: ast.Name | ast.Attribute | ast.Call) -> Iterator[Finding]:
        """Yield what is forbidden however it is used, and loaders that are passed on instead of called."""
        name = self._named(node)
        if name.partition(".")[0] in UNPICKLING and "." in name:
            yield Finding("unpickles", node.lineno, name)
        if name in NAMED and not (name == "compile" and not isinstance(node, ast.Name)):
            yield Finding(NAMED[name], node.lineno, name)
        if name in ("torch.load", "numpy.load", "yaml.load") and node not in self._called:
            yield Finding("loader passed on", node.lineno, name)

    def _call(self, node: ast.Call) -> Iterator[Finding]:
        name, options = self._named(node.func), {key.arg: key.value for key in node.keywords}
        self._called.add(node.func)
        yield from self._loading(node, name, options)
        if name.startswith("transformers.Auto") and name.endswith(".from_pretrained"):
            yield from self._pretrained(node, name, options)
        if "trust_remote_code" in options and not _is(options["trust_remote_code"], False):
            yield Finding("remote code", node.lineno, name)
        if "shell" in options and not _is(options["shell"], False):
            yield Finding("shell", node.lineno, name)
        if "verify" in options and _is(options["verify"], False):
            yield Finding("certificate", node.lineno, name)
        if isinstance(node.func, ast.Attribute) and node.func.attr in UNPACKING:
            yield Finding("file race or archive", node.lineno, node.func.attr)
        if (
            name == "getattr"
            and self._named(node.args[0]) in RISKY_MODULES
            and not isinstance(node.args[1], ast.Constant)
        ):
            yield Finding("computed name", node.lineno, ast.unparse(node))
        if name in ("importlib.import_module", "__import__") and not isinstance(node.args[0], ast.Constant):
            yield Finding("computed name", node.lineno, ast.unparse(node))
        if name == "importlib.util.spec_from_file_location":
            yield Finding("runs data", node.lineno, name)

    def _loading(self, node: ast.Call, name: str, options: dict[str | None, ast.expr]) -> Iterator[Finding]:
        if name == "torch.load" and not _is(options.get("weights_only"), True):
            yield Finding("unpickles", node.lineno, "torch.load without weights_only=True")
        if name == "numpy.load" and not _is(options.get("allow_pickle"), False):
            yield Finding("unpickles", node.lineno, "numpy.load without allow_pickle=False")
        if "allow_pickle" in options and not _is(options["allow_pickle"], False):
            yield Finding("unpickles", node.lineno, f"{name} with allow_pickle")
        if name == "yaml.load":
            loader = options.get("Loader", node.args[1] if len(node.args) > 1 else None)
            if loader is None or self._named(loader) not in self._safe:
                yield Finding("yaml", node.lineno, "yaml.load without a SafeLoader")

    def _pretrained(self, node: ast.Call, name: str, options: dict[str | None, ast.expr]) -> Iterator[Finding]:
        if not _is(options.get("trust_remote_code"), False):
            yield Finding("remote code", node.lineno, f"{name} without trust_remote_code=False")
        if name.startswith("transformers.AutoModel") and not _is(options.get("use_safetensors"), True):
            yield Finding("unpickles", node.lineno, f"{name} without use_safetensors=True")


def _is(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value
