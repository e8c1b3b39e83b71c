"""What the operator's commands said during a run, and whether it was true then: judged by what the gateway had sent and what was
durable.

`gaps` speaks of what lies between ticks that are recorded. So it must name each second, before a stream's newest durable live
tick, in which a tick that the gateway had sent was not in the log. There is no allowance for time: who sees the newer tick can see
the gap. `status` is told by others and has some seconds; where it says that something is wrong, it promises nothing.
"""

import json
import subprocess
import time

import numpy as np

import ibstream

# A gap in one of these states is said to be filled.
FILLED = ("healed", "subset")
# `status` is made from what the watchdog has heard.
HEARD_SECONDS = 7


class LedgerGap:
    """A gap as `ib-stream gaps --json` gives it: whole seconds, both included."""

    def __init__(self, gap):
        self.state = gap["state"]
        self.first = second(gap["before"], gap["from"])
        self.last = second(gap["after"], gap["to"])

    def covers(self, second):
        return (self.first is None or second >= self.first) and (self.last is None or second <= self.last)


def second(edge, nanos):
    """The second of a gap's edge: that of its live tick if there is one, else of the host's clock."""
    if edge and edge["ts_event"] is not None:
        nanos = edge["ts_event"]
    return None if nanos is None else nanos // 10**9


class Verdict:
    """One answer. `text`: what the command printed; one that is no JSON object says nothing, and is no verdict."""

    def __init__(self, command, asked, answered, text):
        self.command, self.asked, self.answered = command, asked, answered
        told = json.loads(text) if text.startswith("{") else None
        self.is_told = told is not None
        if command == "status":
            # What the page answers with 200.
            self.is_green = bool(told) and told["health"] in ("healthy", "degraded")
            self.is_clean = self.is_green and told["gaps"] is not None and not told["gaps"]["open"] and not told["gaps"]["pending"]
            return
        self.gaps = {}
        self.absent = (told or {}).get("absent", [])
        for gap in (told or {}).get("gaps", []):
            if gap["state"] not in FILLED:
                self.gaps.setdefault(gap["stream"], []).append(LedgerGap(gap))
        self.is_clean = self.is_told and not self.gaps and not self.absent and not told["unreadable"]
        self.has_pending = any(gap.state in ("open", "pending") for gaps in self.gaps.values() for gap in gaps)

    @classmethod
    def of(cls, command, where):
        asked = time.time()
        result = subprocess.run([ibstream.BIN / "ib-stream", command, "--json", *where], capture_output=True, text=True, timeout=120)
        return cls(command, asked, time.time(), result.stdout)

    def admits(self, stream, second):
        """True when it says that something of this second may be missing."""
        return any(gap.covers(second) for gap in self.gaps.get(stream, [])) or any(
            absence["stream"] in (None, stream) and LedgerGap({"before": None, "after": None, **absence}).covers(second)
            for absence in self.absent)


def false_verdicts(verdicts, stream, claims, ticks):
    """[(verdict, second, ticks)]: what was missing and not said. `claims`: [(moment, second)] of the stream's durable live ticks,
    rising; `ticks`: [(second, sent, absent until)]."""
    seconds, sent, until = np.array(ticks, "f8").reshape(-1, 3).T
    moments = np.array([moment for moment, _ in claims])
    found = []
    for verdict in verdicts:
        is_status = verdict.command == "status"
        if not verdict.is_told or is_status and not verdict.is_clean:
            continue
        at = np.searchsorted(moments, verdict.asked - (HEARD_SECONDS if is_status else 0)) - 1
        if at < 0:
            continue
        is_missing = (until >= verdict.answered) & (sent < verdict.asked) & (seconds < claims[at][1])
        for missing, count in zip(*np.unique(seconds[is_missing], return_counts=True)):
            if is_status or not verdict.admits(stream, missing):
                found.append((verdict, int(missing), int(count)))
    return found


def unexplained_red(pages, causes):
    """How long health was 503, without a page of another opinion between, after the last cause for it had ended: (seconds, moment).
    `causes`: [(from, to)]."""
    worst, since = (0, None), None
    began, ended = np.array(sorted(causes), "f8").reshape(-1, 2).T
    ended = np.maximum.accumulate(ended)
    for asked, _, status, *_ in pages:
        if status == 200:
            since = None
            continue
        since = asked if since is None else since
        # What began before this page and lasted longest.
        at = np.searchsorted(began, asked, "right") - 1
        calm = asked - max(since, ended[at] if at >= 0 else since)
        worst = max(worst, (calm, asked), key=lambda found: found[0])
    return worst
