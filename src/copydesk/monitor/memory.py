"""What a watch remembers, and when an alarm begins and ends, so that none comes and goes with every window.

Windows do not overlap, and each is judged once. An alarm begins when `alarm_after` of the last `alarm_of` windows speak
for it, and ends when none of these does. What needs no window (age, silence, accuracy from feedback) begins and ends
with its finding; one that says neither leaves things as they are. Pure but for the file at the end: values in, values
out. It does not know who is told.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from copydesk.errors import DataError
from copydesk.files import write_json
from copydesk.monitor.alarms import DRIFT, EXPECTED, Finding, gravest_first
from copydesk.monitor.detectors import State
from copydesk.monitor.shares import LabelShare
from copydesk.recipe import Monitor

_MOST_UNSENT = 1_000


@dataclass(frozen=True)
class Alarm:
    """An alarm that has begun, and what it said when it last spoke."""

    rule: str
    since: datetime
    what: str
    remedy: str


@dataclass(frozen=True)
class Event:
    """An alarm begins or ends. `id` is the same whenever the same event is told."""

    state: Literal["begins", "ends"]
    at: datetime
    model: str
    version: str
    alarm: Alarm

    @property
    def id(self) -> str:
        """What makes an event known again."""
        return f"{self.model}/{self.alarm.rule}/{self.alarm.since:%Y%m%dT%H%M%S.%f}/{self.state}"


@dataclass(frozen=True)
class Judgement:
    """What the last window that was judged looked like; its `texts` are all, of which some were measured."""

    texts: int
    since: datetime
    until: datetime
    states: list[State]
    confidence: float
    expected: float | None
    labels: list[LabelShare]


@dataclass(frozen=True)
class Memory:
    """What survives a restart: the last windows' votes by rule, the alarms that have begun, and who was not told yet.

    `window` is the last one that was judged, of the version `version`; `began` is when this watch first looked.
    """

    version: str
    began: datetime
    window: Judgement | None = None
    votes: dict[str, list[bool]] = field(default_factory=dict)
    alarms: dict[str, Alarm] = field(default_factory=dict)
    unsent: list[Event] = field(default_factory=list)


def of_version(memory: Memory | None, model: str, version: str, now: datetime) -> Memory:
    """Return the memory for a version; what was judged of another one's windows is forgotten, and its alarms end."""
    if memory is None:
        return Memory(version, now)
    if memory.version == version:
        return memory
    over = [alarm for rule, alarm in memory.alarms.items() if is_of_windows(rule)]
    told = [Event("ends", now, model, memory.version, alarm) for alarm in over]
    kept = {rule: alarm for rule, alarm in memory.alarms.items() if not is_of_windows(rule)}
    return replace(memory, version=version, window=None, votes={}, alarms=kept, unsent=_most([*memory.unsent, *told]))


def is_of_windows(rule: str) -> bool:
    """Tell whether a rule is about windows, one after the other."""
    return rule.startswith(DRIFT) or rule == EXPECTED


def voted(memory: Memory, window: Judgement, findings: Sequence[Finding], rules: Monitor) -> Memory:
    """Return the memory after one more window, and what its rules say."""
    votes = {
        finding.rule: [*memory.votes.get(finding.rule, []), bool(finding.speaks)][-rules.alarm_of :]
        for finding in findings
    }
    return replace(memory, votes=votes, window=window)


def settled(memory: Memory, findings: Sequence[Finding], rules: Monitor, model: str, now: datetime) -> Memory:
    """Return the memory with alarms begun and ended; what is to be told is added to `unsent`.

    `findings` are those of the last window and those that need none.
    """
    by_rule = {finding.rule: finding for finding in findings}
    alarms, events = dict(memory.alarms), []
    for rule in dict.fromkeys([*by_rule, *memory.alarms]):
        finding, speaks = by_rule.get(rule), _speaks(rule, by_rule.get(rule), memory, rules)
        if speaks and finding and finding.speaks:
            since = alarms[rule].since if rule in alarms else now
            if rule not in alarms:
                events.append(Event("begins", now, model, memory.version, _alarm(finding, since)))
            alarms[rule] = _alarm(finding, since)
        elif speaks is False and rule in alarms:
            events.append(Event("ends", now, model, memory.version, alarms.pop(rule)))
    return replace(memory, alarms=alarms, unsent=_most([*memory.unsent, *events]))


def in_order(memory: Memory) -> list[Alarm]:
    """Return the alarms that have begun, the gravest first."""
    order = gravest_first([Finding(rule, True, "") for rule in memory.alarms])
    return [memory.alarms[finding.rule] for finding in order]


def _speaks(rule: str, finding: Finding | None, memory: Memory, rules: Monitor) -> bool | None:
    if not is_of_windows(rule):
        return finding.speaks if finding else False
    votes = memory.votes.get(rule, [])[-rules.alarm_of :]
    if sum(votes) >= rules.alarm_after:
        return True
    return None if any(votes) or rule in memory.alarms and len(votes) < rules.alarm_of else False


def _alarm(finding: Finding, since: datetime) -> Alarm:
    return Alarm(finding.rule, since, finding.what, finding.remedy)


def _most(events: list[Event]) -> list[Event]:
    """Return the newest events; nobody reads a thousand of them."""
    return events[-_MOST_UNSENT:]


def load_memory(path: Path) -> Memory | None:
    """Read what `save_memory` wrote; None where there is nothing. Raises `DataError`."""
    if not path.is_file():
        return None
    try:
        return TypeAdapter(Memory).validate_json(path.read_bytes())
    except ValidationError as error:
        raise DataError(
            f"'{path}' is no state of a watch: {error.errors()[0]['msg']}. Remove it; alarms that last are then told "
            "once more."
        ) from None


def save_memory(path: Path, memory: Memory) -> None:
    """Write the memory whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain: dict[str, Any] = json.loads(json.dumps(asdict(memory), default=lambda value: value.isoformat()))
    write_json(path, plain)
