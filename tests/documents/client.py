"""`copydesk`, `python` and `torchrun` as a page's commands find them: thin, and the same from the outside.

`copydesk` sends its words to the preloaded process and ends as the command does. What would never end by itself (a
server, a worker, a watch, a review) is left running once it is ready; it is ended by its number when the page ends, or
before another one starts in its place, as a reader presses Ctrl-C. Where no port is given it is not the usual one but
the page's own, and a server drains no requests (`--drain 0`): that would be two seconds for each, for nobody.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import time

from documents import forked
from documents.ports import SERVERS

STATE = os.environ["DOCUMENTS_STATE"]
PORTS = json.loads(os.environ["DOCUMENTS_PORTS"])
EXITS = json.loads(os.environ["DOCUMENTS_EXITS"])
STARTS_IN_S = 90.0


def main(program: str, words: list[str]) -> int:
    """Do as the program of this name does."""
    if program == "end-all":
        for found in sorted(file for file in os.listdir(STATE) if file.endswith(".pid")):
            end(os.path.join(STATE, found.removesuffix(".pid")))
        return 0
    if program != "copydesk":
        return other(program, words)
    name = next((name for name in SERVERS if " ".join(words).startswith(name)), "")
    if not name or "--once" in words or "--help" in words:
        return expected(words, run(words, (0, 1, 2)))
    port = SERVERS[name]
    if port and "--port" not in words:
        words = [*words, "--port", str(PORTS[port])]
    if name == "serve" and "--drain" not in words:
        words = [*words, "--drain", "0"]
    port = words[words.index("--port") + 1] if port else ""
    path = f"{name} {port}".strip()
    code = in_background(path, port, lambda files: run(words, files))
    if name == "review" and code == 0:
        decide_all(os.path.join(STATE, re.sub(r"\W+", "-", path) + ".output"))
    return code


def other(program: str, words: list[str]) -> int:
    """Be another program of the environment that Copydesk is installed in; a script that serves is left running."""
    python = os.environ["DOCUMENTS_PYTHON"]
    if program == "torchrun":
        return torchrun(words)
    if words and words[0].endswith("mlflow_dispatch.py"):
        return in_background(f"python {words[1]}", words[1], lambda files: spawn([python, *words], files))
    os.execv(python, [python, *words])


def torchrun(words: list[str]) -> int:
    """Understand torchrun's options and run the module once, for what they do to several is tested elsewhere."""
    options = {"--nproc-per-node", "--nnodes", "--node-rank", "--rdzv-backend", "--rdzv-endpoint", "--rdzv-id"}
    options |= {"--master-addr", "--master-port", "--max-restarts"}
    while words and words[0] != "-m":
        option, is_whole, _ = words[0].partition("=")
        if option not in options:
            sys.exit(f"torchrun: {words[0]}")
        words = words[1:] if is_whole else words[2:]
    if words[1:2] != ["copydesk"]:
        sys.exit(f"torchrun: {' '.join(words)}")
    return main("copydesk", words[2:])


def spawn(command: list[str], files: forked.Files) -> int:
    """Run a program with these open files, and return how it ended."""
    actions = [(os.POSIX_SPAWN_DUP2, file, number) for number, file in enumerate(files)]
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
    forked.forward(pid)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def decide_all(output: str) -> None:
    """Decide on every text of a review as its page does: the label is right, or the other one is."""
    from http.client import HTTPConnection

    with open(os.environ["DOCUMENTS_TRUTH"]) as file:
        truth = json.load(file)
    while not (found := re.search(r"http://127.0.0.1:(\d+)/#(\S+)", open(output).read())):
        time.sleep(0.01)
    line = HTTPConnection("127.0.0.1", int(found[1]))

    def ask(path: str, body: object = None) -> object:
        headers = {"X-Copydesk-Token": found[2], "Content-Type": "application/json", "Connection": "keep-alive"}
        line.request("POST" if body else "GET", path, json.dumps(body) if body else None, headers)
        answer = line.getresponse()
        said = json.loads(answer.read())
        if answer.status != 200:
            sys.exit(f"the review refused {body}: {said}")
        return said

    places = ask("/api/places")["places"]
    for start in range(0, len(places), 20):
        asked = ",".join(map(str, places[start : start + 20]))
        for item in ask(f"/api/items?places={asked}")["items"]:
            right = truth.get(item["text"], item["label"])
            is_right = right == item["label"]
            said = {"decision": "keep"} if is_right else {"decision": "change", "new_label": right}
            ask("/api/decide", {"place": item["place"], "revision": item["revision"], **said})


def run(words: list[str], files: forked.Files) -> int:
    """Have the preloaded process run Copydesk, or where it must be a new one, start it; return how it ended."""
    if os.environ.get("DOCUMENTS_FORK") == "off":
        return spawn([os.environ["DOCUMENTS_PYTHON"], "-m", "copydesk", *words], files)
    return forked.run(os.environ["DOCUMENTS_SOCKET"], words, files)


def expected(words: list[str], code: int) -> int:
    """Return success for a failure that the page's entry declares, and note that it was seen."""
    for declared, wanted in EXITS:
        if " ".join(words) == declared.removeprefix("copydesk ") and code == wanted:
            with open(os.path.join(STATE, "exits"), "a") as file:
                file.write(declared + "\n")
            return 0
    return code


def in_background(name: str, port: str, start: object) -> int:
    """Leave something running that is ready; what ran under the name before is ended first."""
    path = os.path.join(STATE, re.sub(r"\W+", "-", name))
    end(path)
    output = os.open(f"{path}.output", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    supervisor = os.fork()
    if supervisor == 0:
        os.setsid()
        for file in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), file)
        code = start((0, output, output))
        with open(f"{path}.ending", "w") as file:
            file.write(str(code))
        os.rename(f"{path}.ending", f"{path}.ended")
        os._exit(0)
    with open(f"{path}.pid", "w") as file:
        file.write(str(supervisor))
    deadline = time.monotonic() + STARTS_IN_S
    while time.monotonic() < deadline:
        said = open(f"{path}.output", errors="replace").read()
        if os.path.exists(f"{path}.ended"):
            sys.stderr.write(said)
            code = int(open(f"{path}.ended").read() or 1)
            for ending in ("pid", "ended"):
                os.remove(f"{path}.{ending}")
            return code or 1
        if listens(port) if port else "is ready for jobs" in said:
            sys.stderr.write(said)
            return 0
        time.sleep(0.05)
    sys.stderr.write(f"{name} was not ready within {STARTS_IN_S:.0f} s:\n{said}")
    return 1


def listens(port: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def end(path: str) -> None:
    """End what runs under a name, as Ctrl-C does, and require that it ends in order."""
    if not os.path.exists(f"{path}.pid"):
        return
    if not os.path.exists(f"{path}.ended"):
        os.kill(int(open(f"{path}.pid").read()), signal.SIGINT)
    deadline = time.monotonic() + STARTS_IN_S
    while not os.path.exists(f"{path}.ended") and time.monotonic() < deadline:
        time.sleep(0.02)
    code = open(f"{path}.ended").read()
    if code not in ("0", "130", "-2"):  # -2: a script that does not look after Ctrl-C
        sys.exit(f"{path} ended with {code}:\n{open(f'{path}.output', errors='replace').read()[-3000:]}")
    for ending in ("pid", "ended"):
        os.remove(f"{path}.{ending}")
