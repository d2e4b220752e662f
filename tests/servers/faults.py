"""Which request meets which fault: rules and their counters, no I/O. `fault_proxy` inflicts what they say."""

from __future__ import annotations

import random
import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from servers.s3_requests import Asked, Operation

__all__ = ["Fault", "Faults", "Met", "Rule"]


class Fault(StrEnum):
    """What can happen to one request. Unless it says so, the server never hears of it."""

    SLOW_DOWN = "503 SlowDown"
    TOO_MANY = "429"
    INTERNAL = "500 InternalError"
    BAD_GATEWAY = "502 with a page of HTML, as a load balancer answers"
    EXPIRED = "403 ExpiredToken"
    SKEWED = "403 RequestTimeTooSkewed"
    DENIED = "403 AccessDenied"
    TELLTALE = "403, and the message repeats the credentials of the request, as some servers do"
    GONE = "404 NoSuchUpload"
    RESET = "the connection is reset"
    ERROR_IN_200 = "200, and the body is an error"

    CUT_REQUEST = "half of the body reaches the server, then both connections are reset"
    STALLED_REQUEST = "the body is taken to the half, then nothing moves"
    DAMAGED_REQUEST = "one bit of the body is flipped on its way to the server"
    SLOW_REQUEST = "the body is taken in small pieces, with a pause after each"

    LOST_ANSWER = "the server does it, and the connection is reset before the answer"
    FAILED_ANSWER = "the server does it, and the answer is 500 InternalError"
    GONE_ANSWER = "the server does it, and the answer is 404 NoSuchUpload"
    ERROR_IN_200_ANSWER = "the server does it, and the answer is 200 with an error for a body"
    STALLED_ANSWER = "the server does it, and no answer ever comes"
    BROKEN_ANSWER = "the server does it, and the answer is half a document, of that length"
    TWICE = "the server gets it twice; the second answer counts"

    DAMAGED_DOWNLOAD = "one bit of the answer's body is flipped"
    SHORT_DOWNLOAD = "half of the answer's body, then the end of the connection"
    STALLED_DOWNLOAD = "half of the answer's body, then nothing"
    SLOW_DOWNLOAD = "the answer's body in small pieces, with a pause after each"

    STALE_NOTHING = "404 to a HEAD, as if the object were not there yet"
    STALE_SIZE = "an answer to a HEAD with another size than the object's"


@dataclass(frozen=True, slots=True)
class Rule:
    """Of the requests for `operations` on keys that end with `key`, let `after` pass, then strike at `times`.

    Strikes at each of them with `probability`; `times` None is for ever. `part` 0 means every part, and an
    `access_key` only requests that are signed with it.
    """

    fault: Fault
    operations: Collection[Operation]
    after: int = 0
    times: int | None = 1
    probability: float = 1.0
    key: str = ""
    part: int = 0
    access_key: str = ""

    def matches(self, asked: Asked) -> bool:
        return (
            asked.operation in self.operations
            and asked.key.endswith(self.key)
            and (not self.part or asked.part == self.part)
            and self.access_key in ("", asked.access_key)
        )


@dataclass(frozen=True, slots=True)
class Met:
    """A request that came, and the fault that it met."""

    asked: Asked
    fault: Fault | None


@dataclass
class _Counted:
    rule: Rule
    matched: int = 0
    struck: int = 0


@dataclass
class Faults:
    """Judges requests one after the other and remembers them all. From any thread."""

    seed: int = 0
    met: list[Met] = field(default_factory=list)
    _rules: list[_Counted] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._chance = random.Random(self.seed)

    def replace(self, rules: Iterable[Rule]) -> None:
        """Let these be the rules from now on; the first that strikes a request is the only one that does."""
        with self._lock:
            self._rules = [_Counted(rule) for rule in rules]

    def judge(self, asked: Asked) -> Fault | None:
        """Tell which fault the request that just came meets."""
        with self._lock:
            struck = [counted for counted in self._rules if self._strikes(counted, asked)][:1]
            for counted in struck:
                counted.struck += 1
            fault = struck[0].rule.fault if struck else None
            self.met.append(Met(asked, fault))
        return fault

    def _strikes(self, counted: _Counted, asked: Asked) -> bool:
        rule = counted.rule
        if not rule.matches(asked):
            return False
        counted.matched += 1
        left = rule.times is None or counted.struck < rule.times
        return counted.matched > rule.after and left and self._chance.random() < rule.probability

    def count(self, operation: Operation, key: str = "", part: int = 0) -> int:
        """How many requests for `operation` came, on keys that end with `key`, for this part or for any."""
        rule = Rule(Fault.RESET, {operation}, key=key, part=part)
        return sum(rule.matches(met.asked) for met in self.met)

    def struck(self) -> list[Met]:
        """The requests that met a fault."""
        return [met for met in self.met if met.fault]
