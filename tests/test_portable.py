"""The lint for paths of one machine and randomness without a seed: it finds what was planted, and nothing here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from release.portable import ROOT, faults_of

PATHS = [
    'data = "/home/ada/data.csv"',
    'data = f"/Users/{name}/data.csv"',
    'data = f"{folder} is not /work/data"',
    'open("/tmp/copydesk.log")',
    'root = Path("C:\\\\models")',
    'root = "D:/models"',
    'url = "file:" + "/mnt/disk/x"',
]
UNSEEDED = [
    "import random\nrandom.shuffle(rows)",
    "import random as chance\nchance.random()",
    "from random import choice\nchoice(rows)",
    "import random\nchance = random.Random()",
    "import numpy as np\nnp.random.default_rng()",
    "import numpy as np\nnp.random.default_rng(None)",
    "import numpy as np\nnp.random.default_rng(seed=None)",
    "from numpy.random import default_rng\ndefault_rng()",
    "import numpy as np\nnp.random.RandomState()",
    "import torch\ntorch.rand(3)",
    "import torch\nweights = torch.randperm(10)",
    "from sklearn.model_selection import train_test_split\ntrain_test_split(rows)",
    "from sklearn.model_selection import StratifiedKFold\nStratifiedKFold(5, shuffle=True)",
    "frame.sample(n=10)",
    "frame.sample(fraction=0.1, shuffle=True)",
]
FINE = [
    '"""Reads /home/ada/data.csv."""',
    'url = "https://example.org/home/ada"',
    'url = "s3://bucket/tmp/x"',
    'path = "/proc/self/status"',
    'path = "data/tmp/x"',
    'text = "Time: /homework"',
    'HOSTILE = "/tmp/escaped"  # a path: hostile on purpose',
    "import random\nrandom.Random(42).shuffle(rows)",
    "import random\nrandom.SystemRandom().choice(rows)",
    "import random\ndelay = random.uniform(0, 1)  # unseeded: clients must not agree",
    "import numpy as np\nnp.random.default_rng(seed)",
    "import torch\ntorch.manual_seed(1)\ntorch.rand(3)",
    "import torch\ntorch.rand(3, generator=chance)",
    "frame.sample(n=10, seed=1)",
    "chance.sample(rows, 3)",
    "chance.shuffle(rows)",
]


@pytest.mark.parametrize("code", PATHS)
def test_a_path_of_one_machine_is_found_in_python(code: str) -> None:
    (found,) = faults_of("planted.py", f"from pathlib import Path\n{code}\n")
    assert found.line == 2 and "a path of one machine" in found.what


@pytest.mark.parametrize(
    "line", ["image: /home/ada/models", "RUN cp /root/model /model", "COPY C:\\models /m", "x: [/tmp/x]"]
)
def test_a_path_of_one_machine_is_found_in_settings(line: str) -> None:
    (found,) = faults_of("settings.yaml", f"# a comment\n{line}\n")
    assert found.line == 2
    assert not faults_of("settings.yaml", f"{line}  # a path: in the image\n")


@pytest.mark.parametrize("code", UNSEEDED)
def test_randomness_without_a_seed_is_found(code: str) -> None:
    (found,) = faults_of("planted.py", code)
    assert found.line == len(code.splitlines()) and "seed" in found.what


@pytest.mark.parametrize("code", FINE)
def test_what_is_portable_and_repeatable_is_left_alone(code: str) -> None:
    assert faults_of("planted.py", code) == []


def test_a_containers_own_folder_is_no_machines() -> None:
    line = 'ENTRYPOINT ["copydesk", "worker", "--alive", "/tmp/alive"]'
    assert not faults_of("deploy/Dockerfile", line) and faults_of("deploy/start.sh", line)
    assert faults_of("deploy/Dockerfile", "COPY /home/ada/model /opt")


def test_a_mark_without_a_reason_marks_nothing() -> None:
    assert faults_of("planted.py", "import random\nrandom.random()  # unseeded:\n")


def test_the_command_prints_each_fault_and_fails(tmp_path: Path) -> None:
    clean, planted = tmp_path / "clean.py", tmp_path / "planted.py"
    clean.write_text("x = 1\n")
    planted.write_text("import random\nrandom.random()\n")
    command = [sys.executable, "-m", "release.portable"]
    done = [
        subprocess.run([*command, str(file)], cwd=ROOT, capture_output=True, text=True, check=False)
        for file in (clean, planted)
    ]
    assert (done[0].returncode, done[0].stdout) == (0, "")
    assert done[1].returncode == 1 and f"{planted}:2: random.random()" in done[1].stdout
