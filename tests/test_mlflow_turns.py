"""Turns on a server that only promises that a name is given once."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from copydesk.errors import RegistryError, Stale
from copydesk.registry.mlflow_turns import Turns


class Server:
    """Models with tags, as MLflow keeps them."""

    def __init__(self) -> None:
        self.models: dict[str, dict[str, str]] = {"toy": {}}

    def get_registered_model(self, name: str) -> Any:
        return SimpleNamespace(tags=dict(self.models[name]))

    def create_registered_model(self, name: str, tags: dict[str, str]) -> None:
        if name in self.models:
            raise _refusal("RESOURCE_ALREADY_EXISTS")
        self.models[name] = tags

    def delete_registered_model(self, name: str) -> None:
        if self.models.pop(name, None) is None:
            raise _refusal("RESOURCE_DOES_NOT_EXIST")

    def set_registered_model_tag(self, name: str, key: str, value: str) -> None:
        self.models[name][key] = value

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        self.models[name].pop(key, None)


def _refusal(code: str) -> Exception:
    from mlflow.exceptions import MlflowException
    from mlflow.protos import databricks_pb2

    return MlflowException("no", getattr(databricks_pb2, code))


class Time:
    """A clock that goes on when somebody sleeps; what is to happen then, happens."""

    def __init__(self, *, then: dict[float, Callable[[], Any]] | None = None) -> None:
        self.now, self.then = 0.0, then or {}

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for at in [at for at in self.then if at <= self.now]:
            self.then.pop(at)()


def _turns(server: Server, time: Time | None = None) -> Turns:
    time = time or Time()
    return Turns(server, "toy", lease_s=30, clock=time, sleep=time.sleep)  # type: ignore[arg-type]


def test_a_turn_leaves_nothing_but_the_last_mark() -> None:
    server = Server()
    for number in (1, 2, 3):
        with _turns(server).mine() as check:
            check()
            assert f"toy.turn-{number}" in server.models
    assert server.models == {"toy": {"copydesk.turn.3": "over"}}


def test_who_comes_second_waits_until_the_first_is_done() -> None:
    server, order = Server(), []
    first = _turns(server).mine()
    first.__enter__()
    time = Time(then={5.0: lambda: (order.append("first"), first.__exit__(None, None, None))})
    with _turns(server, time).mine() as check:
        order.append("second")
        check()
    assert order == ["first", "second"]


def test_a_dead_ones_turn_is_over_after_the_lease_and_not_before() -> None:
    server, time = Server(), Time()
    dead = _turns(server).mine()
    dead.__enter__()  # and never left
    with _turns(server, time).mine() as check:
        check()
    assert 30 < time.now < 31
    assert server.models == {"toy": {"copydesk.turn.2": "over"}}


def test_who_was_taken_for_dead_is_told_before_the_next_step() -> None:
    server = Server()
    slow = _turns(server).mine()
    check = slow.__enter__()
    with _turns(server, Time()).mine():
        with pytest.raises(Stale, match="'toy'"):
            check()
        slow.__exit__(None, None, None)  # ends its own turn, and nobody else's
        assert "toy.turn-2" in server.models
        assert server.models["toy"] == {"copydesk.turn.1": "over"}


def test_the_lease_begins_anew_with_every_holder() -> None:
    server = Server()
    first = _turns(server).mine()
    first.__enter__()

    def change_over() -> None:
        first.__exit__(None, None, None)
        second.__enter__()

    second = _turns(server).mine()
    time = Time(then={29.0: change_over})
    with _turns(server, time).mine():
        assert 59 < time.now < 60


def test_a_turn_that_was_over_before_it_was_made_is_not_taken() -> None:
    server = Server()

    class Late(Server):
        """Reads the marks before another has had the turn, and makes its model after that."""

        def __init__(self) -> None:
            self.models, self.looks = server.models, 0

        def get_registered_model(self, name: str) -> Any:
            found, self.looks = super().get_registered_model(name), self.looks + 1
            if self.looks == 1:
                with _turns(server).mine():
                    pass
            return found

    with _turns(Late()).mine():
        assert "toy.turn-2" in server.models
        assert "toy.turn-1" not in server.models


def test_who_never_gets_a_turn_is_told() -> None:
    server, time = Server(), Time()

    def next_one() -> None:
        holder = _turns(server).mine()
        holder.__enter__()
        time.then[time.now + 20] = lambda: (holder.__exit__(None, None, None), next_one())

    next_one()
    with pytest.raises(RegistryError, match="'toy'"), _turns(server, time).mine():
        pass
