"""Nothing in the project unpickles, runs data, or hands what comes from outside to a shell: read from the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from forbidden import findings

ROOT = Path(__file__).parent.parent
WALKED = sorted(file for folder in ("src", "bench", "recipes", "deploy") for file in (ROOT / folder).rglob("*.py"))
ALLOWED = {
    (
        "src/copydesk/labelling/python.py",
        "runs data",
    ): "the user's own labelling functions, in a file that their recipe names; no bundle and no request leads here",
    ("src/copydesk/remote/base.py", "computed name"): "its callers name the module: s3fs, gcsfs, kaggle",
    ("src/copydesk/registry/references.py", "computed name"): "one of the three modules in its own table",
}
PLANTED = {
    "import pickle": "unpickles",
    "import pickle as p\np.loads(b'')": "unpickles",
    "from pickle import loads": "unpickles",
    "from _pickle import Unpickler as U": "unpickles",
    "def f():\n    import dill": "unpickles",
    "import cloudpickle": "unpickles",
    "import shelve": "unpickles",
    "import marshal": "unpickles",
    "from joblib import load": "unpickles",
    "import joblib.numpy_pickle": "unpickles",
    "import importlib\nimportlib.import_module('pickle')": "unpickles",
    "__import__('pickle')": "unpickles",
    "import sys\nsys.modules['pickle'].loads(b'')": "unpickles",
    "app.conf.update(task_serializer='pickle')": "unpickles",
    "import torch\ntorch.load('x')": "unpickles",
    "import torch\ntorch.load('x', weights_only=False)": "unpickles",
    "import torch\nsafe = input()\ntorch.load('x', weights_only=safe)": "unpickles",
    "from torch import load\nload('x')": "unpickles",
    "from torch import load as read\nread('x')": "unpickles",
    "import torch as t\nread = t.load\nread('x')": "unpickles",
    "import torch\nread = again = torch.load\nmore = again\nmore('x')": "unpickles",
    "import torch\ngetattr(torch, 'load')('x')": "unpickles",
    "import torch\nmap(torch.load, ['x'])": "loader passed on",
    "import torch\nname = input()\ngetattr(torch, name)('x')": "computed name",
    "import importlib\nimportlib.import_module(input())": "computed name",
    "import torch\ntorch.jit.load('x')": "unpickles",
    "from torch.hub import load_state_dict_from_url": "unpickles",
    "import numpy as np\nnp.load('x')": "unpickles",
    "import numpy as np\nnp.load('x', allow_pickle=True)": "unpickles",
    "from numpy import load\nload('x')": "unpickles",
    "import numpy as np\nnp.savez('x', allow_pickle=True)": "unpickles",
    "import pandas as pd\npd.read_pickle('x')": "unpickles",
    "import polars as pl\npl.LazyFrame.deserialize('x')": "unpickles",
    "from mlflow.pyfunc import load_model": "unpickles",
    "import mlflow\nmlflow.pyfunc.load_model('x')": "unpickles",
    "from transformers import AutoModel\nAutoModel.from_pretrained('x', trust_remote_code=False)": "unpickles",
    "import transformers\ntransformers.AutoTokenizer.from_pretrained('x')": "remote code",
    "pipeline('x', trust_remote_code=True)": "remote code",
    "pipeline('x', trust_remote_code=wanted)": "remote code",
    "import yaml\nyaml.load('x')": "yaml",
    "import yaml\nyaml.load('x', Loader=yaml.Loader)": "yaml",
    "import yaml\nyaml.load('x', yaml.FullLoader)": "yaml",
    "from yaml import unsafe_load": "yaml",
    "from yaml import load, UnsafeLoader\nload('x', UnsafeLoader)": "yaml",
    "import yaml\nclass Mine(yaml.UnsafeLoader): ...\nyaml.load('x', Mine)": "yaml",
    "eval('x')": "runs data",
    "exec('x')": "runs data",
    "run = eval\nrun('x')": "runs data",
    "import builtins\nbuiltins.exec('x')": "runs data",
    "compile('x', 'y', 'eval')": "runs data",
    "import runpy": "runs data",
    "import importlib.util\nimportlib.util.spec_from_file_location('a', 'b')": "runs data",
    "import subprocess\nsubprocess.run('x', shell=True)": "shell",
    "from subprocess import Popen as P\nP('x', shell=wanted)": "shell",
    "import os\nos.system('x')": "shell",
    "from os import popen": "shell",
    "import subprocess as s\ns.getoutput('x')": "shell",
    "import tempfile\ntempfile.mktemp()": "file race or archive",
    "from tempfile import mktemp": "file race or archive",
    "import tarfile\ntarfile.open('x').extractall()": "file race or archive",
    "import zipfile\nwith zipfile.ZipFile('x') as z:\n    z.extract('y')": "file race or archive",
    "import shutil\nshutil.unpack_archive('x')": "file race or archive",
    "import httpx\nhttpx.get('x', verify=False)": "certificate",
}
HARMLESS = [
    "import torch\ntorch.load('x', weights_only=True)",
    "import numpy as np\nnp.load('x', allow_pickle=False)",
    "import yaml\nyaml.safe_load('x')",
    "import yaml\nclass Mine(yaml.SafeLoader): ...\nclass More(Mine): ...\nyaml.load('x', More)",
    "from transformers import AutoModel as A\nA.from_pretrained('x', use_safetensors=True, trust_remote_code=False)",
    "import torch\nnetwork.eval()\ntorch.compile(network)",
    "import re\nre.compile('x')",
    "import polars as pl\nframe.select(pl.element().list.eval(1))",
    "import subprocess\nsubprocess.run(['x'], shell=False)",
    "'a docstring about pickle and eval()'",
    "getattr(model, name)",
    "from safetensors.numpy import load",
    "import json\njson.load(file)",
]


@pytest.mark.parametrize("file", WALKED, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_does_nothing_that_is_forbidden(file: Path) -> None:
    name = file.relative_to(ROOT).as_posix()
    found = [one for one in findings(file.read_text("utf-8")) if (name, one.rule) not in ALLOWED]
    assert not found, "\n".join(f"{name}:{one.line}: {one.rule}: {one.what}" for one in found)


def test_what_is_allowed_is_still_there() -> None:
    for name, rule in ALLOWED:
        assert rule in {one.rule for one in findings((ROOT / name).read_text("utf-8"))}, f"{name} does it no more"


@pytest.mark.parametrize("source", PLANTED)
def test_the_walk_finds_what_is_planted(source: str) -> None:
    assert PLANTED[source] in {one.rule for one in findings(source)}


@pytest.mark.parametrize("source", HARMLESS)
def test_the_walk_lets_harmless_code_pass(source: str) -> None:
    assert not findings(source)
