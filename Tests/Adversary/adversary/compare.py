"""Holds exported ticks against the truth: what is missing, repeated, altered, and where first.

    python -m adversary.compare TRUTH_FOLDER EXPORT_FOLDER

A stream is right when it has, in the market's order, every tick from the first to the last that was put on its sockets,
unless neither a socket nor history had it, and nothing else.
"""

import collections
import csv
import dataclasses
import datetime
import decimal
import pathlib
import sys

from .truth import FIELDS

NUMBERS = {"price", "size", "bid_price", "ask_price", "bid_size", "ask_size"}
# What a record's flags say of a tick itself: the two bits of its mask. The others are the recorder's.
MASK = 3


@dataclasses.dataclass
class Expected:
    """One tick of the market. Needed: it must be recorded. Not live: subscriptions do not bring it, history may."""

    key: tuple
    index: int
    is_needed: bool
    is_live: bool


@dataclasses.dataclass
class Report:
    """What differs in one stream."""

    stream: str
    expected: int = 0
    recorded: int = 0
    missing: int = 0
    repeated: int = 0
    altered: int = 0
    invented: int = 0
    misplaced: int = 0
    unavailable: int = 0
    """Neither recorded nor to be had from history."""
    first: str = ""

    @property
    def is_exact(self):
        return not (self.missing or self.repeated or self.altered or self.invented or self.misplaced)

    def differs(self, what, key):
        if not self.first:
            self.first = f"{what}: {moment(key[0])} {' '.join(map(str, key[1:]))}"

    def __str__(self):
        counts = " ".join(f"{name}={getattr(self, name)}" for name in (
            "expected", "recorded", "missing", "repeated", "altered", "invented", "misplaced", "unavailable"))
        return f"{self.stream}: {counts}" + (f"; first: {self.first}" if self.first else "")


def moment(second):
    return f"{datetime.datetime.fromtimestamp(second, datetime.timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def canonical(name, text):
    """Numbers as decimals without zeros that say nothing; texts as they are."""
    if name not in NUMBERS or not text:
        return text
    number = decimal.Decimal(text).normalize()
    return f"{number:f}"


def key_of(row, second, mask):
    return (second, mask, *(canonical(name, row[name]) for name in FIELDS))


def seconds_of(text):
    """Unix seconds of an RFC 3339 time; ticks have no parts of a second, and odd ones have no time (-1)."""
    if not text:
        return -1
    whole, _, fraction = text.rstrip("Z").partition(".")
    assert not fraction.strip("0"), f"a tick's time is a whole second: {text}"
    return int(datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.timezone.utc).timestamp())


def read(path):
    with open(path, newline="") as file:
        yield from csv.DictReader(file)


def exported(path):
    """The ticks of an exported file, in order; markers are left out."""
    return [key_of(row, seconds_of(row["ts_event"]), int(row["flags"]) & MASK) for row in read(path)
            if row["kind"] in ("last", "all_last", "bid_ask", "mid_point")]


@dataclasses.dataclass
class Sent:
    """What was put on sockets of one stream, by market index; `spoiled` were put there as nobody can read them."""

    by_index: dict = dataclasses.field(default_factory=dict)
    spoiled: set = dataclasses.field(default_factory=set)
    first: int | None = None
    last: int | None = None


def sent_ticks(folder, route):
    """{stream: Sent}."""
    streams = collections.defaultdict(Sent)
    for row in read(folder / "sent.csv"):
        if row["route"] != route.get(row["con_id"], row["route"]):
            continue
        sent = streams[f"{row['con_id']}.{row['kind']}"]
        index = int(row["index"])
        if row["note"] == "poisoned":
            sent.spoiled.add(index)
            continue
        sent.by_index.setdefault(index, key_of(row, int(row["second"]), int(row["mask"])))
        sent.first = index if sent.first is None else min(sent.first, index)
        sent.last = index if sent.last is None else max(sent.last, index)
    return streams


def expectations(folder, route=None, lossy=False):
    """{stream: [Expected]} of every stream of which something was put on a socket.

    `route` names, by contract id as text, the exchange of a contract that has several markets. `lossy`: what was put on
    sockets may have died with them or with their reader; only what history is certain to have must be there then.
    """
    route = {"265598": "SMART", **(route or {})}
    streams = sent_ticks(folder, route)
    expected = collections.defaultdict(list)
    for row in read(folder / "market.csv"):
        name = f"{row['con_id']}.{row['kind']}"
        sent = streams.get(name)
        if sent is None or row["route"] != route.get(row["con_id"], row["route"]):
            continue
        index = int(row["index"])
        put = sent.by_index.get(index)
        key = put or key_of(row, int(row["second"]), int(row["mask"]))
        is_within = sent.first is not None and sent.first <= index <= sent.last and index not in sent.spoiled
        is_live = row["live"] == "1"
        is_to_be_had = (put is not None and not lossy) or (row["history"] == "1" and is_live)
        expected[name].append(Expected(key, index, is_within and is_to_be_had, is_live))
    return expected


def compare(stream, expected, recorded):
    """Counts by second: what stands in the same second stands for each other."""
    needed = [e for e in expected if e.is_needed]
    report = Report(stream, expected=len(needed), recorded=len(recorded))
    truth, got = collections.defaultdict(list), collections.defaultdict(list)
    for e in expected:
        truth[e.key[0]].append(e)
    for key in recorded:
        got[key[0]].append(key)
    for second in sorted(set(got) | {e.key[0] for e in needed}):
        compare_second(report, truth[second], got[second])
    compare_order(report, expected, recorded)
    first, last = (needed[0].index, needed[-1].index) if needed else (0, -1)
    have = collections.Counter(recorded)
    report.unavailable = sum(
        not e.is_needed and e.is_live and first <= e.index <= last and not have[e.key] for e in expected)
    return report


def compare_second(report, truth, got):
    if [e.key for e in truth] == got:
        return
    need = collections.Counter(e.key for e in truth if e.is_needed)
    may = collections.Counter(e.key for e in truth)
    have = collections.Counter(got)
    absent = list((need - have).elements())
    extra = list((have - may).elements())
    again = [key for key in extra if may[key]]
    other = [key for key in extra if not may[key]]
    altered = min(len(absent), len(other))
    report.repeated += len(again)
    report.altered += altered
    report.missing += len(absent) - altered
    report.invented += len(other) - altered
    for what, keys in (("missing", absent), ("repeated", again), ("not the market's", other)):
        for key in keys[:1]:
            report.differs(what, key)


def compare_order(report, expected, recorded):
    """Recorded ticks that stand behind one that came later in the market. Equal ticks are told apart by their order."""
    places = collections.defaultdict(collections.deque)
    for e in expected:
        places[e.key].append(e.index)
    at = -1
    for key in recorded:
        found = places[key]
        if not found:
            continue
        later = next((index for index in found if index > at), None)
        if later is None:
            report.misplaced += 1
            report.differs("misplaced", key)
            continue
        while found[0] != later:
            found.popleft()
        at = found.popleft()


def compare_folders(truth, exports, streams=None, route=None, lossy=False, away=None):
    """[Report] of every stream that was put on sockets; one without a file has nothing. `away`: {stream: [(first, last)]}, seconds in
    which nobody wanted it."""
    expected = expectations(pathlib.Path(truth), route, lossy)
    for name, spans in (away or {}).items():
        for tick in expected.get(name, []):
            tick.is_needed &= not any(first <= tick.key[0] <= last for first, last in spans)
    reports = []
    for name in sorted(streams or expected):
        path = pathlib.Path(exports) / f"{name}.csv"
        reports.append(compare(name, expected.get(name, []), exported(path) if path.exists() else []))
    return reports


def main():
    if len(sys.argv) != 3 or "--help" in sys.argv:
        print(__doc__.strip())
        return 64 if "--help" not in sys.argv else 0
    reports = compare_folders(*sys.argv[1:])
    for report in reports:
        print(report)
    return 0 if reports and all(r.is_exact for r in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
