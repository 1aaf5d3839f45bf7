"""A fault round: what goes wrong in it, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fault:
    """What goes wrong in a round: ``kind`` on ``target``, at the latest of the shards' stages ``stage``."""

    kind: str
    target: str
    stage: str


@dataclass
class Outcome:
    """What came of a round; ``problems`` is what must not be."""

    number: int
    fault: Fault
    states: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    after: float = 0.0
    """Seconds from the fault to the end."""
    tries: int = 1
    takes: int = 0
    nights: int = 1
    """Runs that it took; the second is the next night's, which needs no hand."""
    problems: list[str] = field(default_factory=list)

    def row(self) -> dict[str, object]:
        return {
            "round": self.number,
            "fault": self.fault.kind,
            "on": self.fault.target,
            "at": self.fault.stage,
            "shots": ", ".join(f"{count} {state}" for state, count in sorted(self.states.items())),
            "takes": self.takes,
            "s": round(self.seconds, 1),
            "s after the fault": round(self.after, 1),
            "most tries": self.tries,
            "runs": self.nights,
            "problems": "; ".join(self.problems) or "none",
        }
