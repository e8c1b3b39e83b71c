"""Compares what was recorded with what the simulated market did: nothing missing, repeated, altered or out of order."""

import collections
import datetime

import numpy as np

from ibstream import body_u64, keys

SUBSCRIBED, GAP_OPENED, HEAL, HEAL_END, UNSUBSCRIBED, LOST = 1, 2, 4, 5, 10, 11
# What a gap is called that stays a hole; a marker has room for 16 bytes.
HOLES = ("partly", "subset", "edge_unreconcil", "no_history")
UNREPORTED = 2
HEALED = 64


class Rows:
    """Ticks of the streams by second: (text from the price on, with the attributes; flags)."""

    def __init__(self):
        self.seconds = collections.defaultdict(dict)
        # stream: {(second, text): keys}, where a file has keys.
        self.keys = collections.defaultdict(dict)
        self.counts = collections.Counter()
        self.healed = collections.Counter()
        # Streams' places where the time falls: (stream, second before, second after).
        self.falls = []


_second_cache = {}


def second_of(text):
    """Unix seconds of `2025-08-12T15:00:00.000000000Z`."""
    value = _second_cache.get(text)
    if value is None:
        moment = datetime.datetime.fromisoformat(text[:19]).replace(tzinfo=datetime.timezone.utc)
        value = _second_cache[text] = int(moment.timestamp())
    return value


def read_rows(path, streams):
    """The ticks of a CSV with the export's columns, those of `streams` alone."""
    rows = Rows()
    before = {}
    with open(path, newline="") as file:
        head = file.readline().rstrip().split(",")
        assert head[:7] == ["stream", "epoch", "seq", "ts_event", "ts_recv", "kind", "flags"], head
        for line in file:
            stream, epoch, seq, event, _, kind, flags, rest = line.rstrip("\r\n").split(",", 7)
            if stream not in streams or kind == "marker":
                continue
            second = second_of(event)
            if second < before.get(stream, 0):
                rows.falls.append((stream, before[stream], second))
            before[stream] = second
            flags = int(flags)
            # The two attributes of a tick belong to what must not be altered.
            text = f"{rest}|{flags & 3}"
            rows.seconds[stream].setdefault(second, []).append((text, flags))
            if seq:
                rows.keys[stream].setdefault((second, text), []).append(int(epoch) << 32 | int(seq))
            rows.counts[stream] += 1
            rows.healed[stream] += flags & HEALED > 0
    return rows


def read_sent(path, streams, sent_by):
    """{stream: [((second, text), latest moment of sending)]} of the simulator's truth file, whose rows have no time of their
    own. `sent_by(offset)`: when the row that ends there had been written."""
    found, ends = [], []
    with open(path, "rb") as file:
        at = len(file.readline())
        for line in file:
            at += len(line)
            stream, _, _, event, _, _, flags, rest = line.decode().rstrip("\r\n").split(",", 7)
            # Answers with history are the client's own asking, not the market's news.
            if stream in streams and not int(flags) & HEALED:
                found.append((stream, (second_of(event), f"{rest}|{int(flags) & 3}")))
                ends.append(at)
    sent = collections.defaultdict(list)
    for (stream, what), moment in zip(found, sent_by(ends).tolist()):
        sent[stream].append((what, moment))
    return sent


class Gap:
    """A stretch without live ticks as the records themselves tell it."""

    def __init__(self, cause, code, opened, first, last):
        self.cause = cause
        self.code = code
        self.opened = opened
        # Seconds of the live ticks before and after it; None: there is none.
        self.first = first
        self.last = last

    def covers(self, second):
        return (self.first is None or second >= self.first) and (self.last is None or second <= self.last)

    def line(self):
        return f"{self.cause} opened {text_of(self.opened)} from {text_of(self.first)} to {text_of(self.last)}"


def text_of(second):
    if second is None:
        return "-"
    return datetime.datetime.fromtimestamp(second, datetime.timezone.utc).strftime("%H:%M:%S")


def event_of(records):
    return (body_u64(records, 0) >> 8) & 0xFF


def gaps_of(records):
    """The gaps in one stream's records, in the order of their keys; all markers that follow each other are in one. Where the stream
    was not wanted any more, a gap ends with that, and one behind it begins with its own marker: both by the host's clock."""
    is_marker = records["kind"] == 255
    event = event_of(records)
    is_live = (records["kind"] < 128) & (records["flags"] & HEALED == 0)
    edges = np.flatnonzero(is_live | is_marker & (event == UNSUBSCRIBED))
    gaps = []

    def second(index):
        return int(records["ts_event" if is_live[index] else "ts_recv"][index]) // 10**9

    for index in np.flatnonzero(is_marker & ((event == GAP_OPENED) | (event == LOST))):
        at = np.searchsorted(edges, index)
        before = None
        if at > 0:
            before = second(edges[at - 1] if is_live[edges[at - 1]] else index)
        after = second(edges[at]) if at < len(edges) else None
        is_lost = event[index] == LOST
        text = "lost" if is_lost else records["body"][index].tobytes()[16:].rstrip(b"\0").decode(errors="replace")
        code = int(body_u64(records[index:index + 1], 0)[0] >> 32)
        gaps.append(Gap(text, code, int(records["ts_recv"][index]) / 1e9, before, after))
    return gaps


def unwanted(records):
    """[(first, last)] of the seconds in which a stream was not wanted, by the host's clock: from where it left to the next epoch
    in which it is subscribed to, both included; None: it did not come back."""
    is_marker = records["kind"] == 255
    event = event_of(records)
    subscribed = np.flatnonzero(is_marker & (event == SUBSCRIBED))
    spans = []
    for index in np.flatnonzero(is_marker & (event == UNSUBSCRIBED)).tolist():
        at = np.searchsorted(subscribed, index)
        # A marker behind the healing of what was missed before it left tells it again.
        if spans and spans[-1][2] == at:
            continue
        back = None
        if at < len(subscribed):
            begun = np.flatnonzero(records["epoch"] == records["epoch"][subscribed[at]])[0]
            back = int(records["ts_recv"][begun]) // 10**9
        spans.append((int(records["ts_recv"][index]) // 10**9, back, at))
    return [span[:2] for span in spans]


def verdicts_on_healed(records):
    """{key of a healed tick: key of the first marker that called its gap a hole that stays} of one stream, where there is one:
    what was filled in later had a verdict then."""
    event = event_of(records)
    is_marker = records["kind"] == 255
    refs = body_u64(records, 1)
    verdicts = {}
    for index in np.flatnonzero(is_marker & (event == HEAL_END)).tolist():
        text = records["body"][index].tobytes()[16:].rstrip(b"\0").decode(errors="replace")
        if text.startswith(HOLES):
            verdicts.setdefault(int(refs[index]), int(keys(records[index:index + 1])[0]))
    # A run is contiguous, and begins with its marker.
    run = np.maximum.accumulate(np.where(is_marker & (event == HEAL), np.arange(len(records)), -1))
    is_healed = (records["kind"] < 128) & (records["flags"] & HEALED != 0) & (run >= 0)
    of_gap = zip(keys(records)[is_healed].tolist(), refs[run[is_healed]].tolist())
    return {key: verdicts[gap] for key, gap in of_gap if gap in verdicts}


def match(part, whole):
    """The positions of `part`'s rows in `whole`, if they are there in this order; else None."""
    positions = []
    at = 0
    for text, _ in part:
        while at < len(whole) and whole[at][0] != text:
            at += 1
        if at == len(whole):
            return None
        positions.append(at)
        at += 1
    return positions


class Comparison:
    """The differences of one stream."""

    def __init__(self, stream):
        self.stream = stream
        self.recorded = 0
        self.expected = 0
        # (second, text)
        self.missing = []
        # Ticks that history can't give, in gaps: unreported trades.
        self.not_in_history = 0
        # Ticks while the stream was not in the configuration.
        self.unwanted = 0
        # Ticks of seconds that the ledger names.
        self.named = 0
        self.repeated = []
        self.altered = []
        self.misplaced = []

    @property
    def problems(self):
        return len(self.missing) + len(self.repeated) + len(self.altered) + len(self.misplaced)

    def first(self):
        """What differs first: (second, what, row)."""
        found = [(second, what, text) for what in ("missing", "repeated", "altered", "misplaced")
                 for second, text in getattr(self, what)[:1]]
        return min(found) if found else None


def compare(stream, recorded, market, gaps, away=(), named=()):
    """Compares one stream, from its first recorded tick to its last. `recorded` and `market`: {second: rows}; `away`: the seconds in
    which nobody wanted it, [(first, last)]; `named`: those of which the ledger says that they are not whole."""
    result = Comparison(stream)
    if not recorded:
        return result
    first, last = min(recorded), max(recorded)
    for second in sorted(second for second in set(recorded) | set(market) if first <= second <= last):
        got, want = recorded.get(second, []), market.get(second, [])
        result.recorded += len(got)
        result.expected += len(want)
        if [text for text, _ in got] == [text for text, _ in want]:
            continue
        if second == first and second != last:
            # Subscribed in the middle of this second: matched from its end.
            positions = match(got[::-1], want[::-1])
            positions = positions and [len(want) - 1 - at for at in positions[::-1]]
        else:
            positions = match(got, want)
        if positions is None:
            disagree(result, second, got, want)
            continue
        missing = sorted(set(range(len(want))) - set(positions))
        if second == first:
            missing = [at for at in missing if at > positions[0]]
        if second == last:
            missing = [at for at in missing if at < positions[-1]]
        is_gap = any(gap.covers(second) for gap in gaps)
        for at in missing:
            text, flags = want[at]
            if is_gap and flags & UNREPORTED and stream.endswith("last"):
                result.not_in_history += 1
            elif any(begin <= second <= end for begin, end in away):
                result.unwanted += 1
            elif any(begin <= second <= end for begin, end in named):
                result.named += 1
            else:
                result.missing.append((second, text))
    return result


def disagree(result, second, got, want):
    """The rows of a second that are not in order those of the market: repeated, altered, or in another order."""
    known = collections.Counter(text for text, _ in want)
    extra = collections.Counter(text for text, _ in got) - known
    for text, count in extra.items():
        (result.repeated if text in known else result.altered).extend([(second, text)] * count)
    lacking = known - collections.Counter(text for text, _ in got)
    result.missing.extend((second, text) for text in lacking.elements())
    if not extra:
        result.misplaced.append((second, got[0][0]))
