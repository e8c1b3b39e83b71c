"""Historical ticks: which page answers a request. Pure: a market and a clock in, ticks out."""

import bisect
import datetime
import itertools
import re
import zoneinfo

from .market import ALL_LAST, BID_ASK, BILLION, MID_POINT

MOST = 1000
KINDS = {"TRADES": ALL_LAST, "BID_ASK": BID_ASK, "MIDPOINT": MID_POINT, "AGGTRADES": ALL_LAST}
WEIGHT = {"BID_ASK": 2}
WINDOWS_ZONES = {"Central Standard Time": "US/Central", "Eastern Standard Time": "US/Eastern"}


class RequestError(Exception):
    """A request that the gateway refuses: code and text."""

    def __init__(self, code, text):
        super().__init__(code, text)
        self.code, self.text = code, text


def parse_time(text, login_zone):
    """Unix seconds of a request's date-time; None when there is none."""
    if not text:
        return None
    if match := re.fullmatch(r"(\d{8})-(\d\d:\d\d:\d\d)", text):
        zone = datetime.timezone.utc
    elif match := re.fullmatch(r"(\d{8})[ -](\d\d:\d\d:\d\d)(?: (.+))?", text):
        name = match[3] or login_zone
        try:
            zone = zoneinfo.ZoneInfo(WINDOWS_ZONES.get(name, name))
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            raise RequestError(10314, f"Time zone {name} is unknown") from None
    else:
        raise RequestError(10314, "End Date/Time: The date, time, or time-zone entered is invalid.")
    when = datetime.datetime.strptime(f"{match[1]} {match[2]}", "%Y%m%d %H:%M:%S").replace(tzinfo=zone)
    return int(when.timestamp())


def page(ticks, start, end, count, strict=False, until=None, has=lambda tick: True, since=0):
    """The ticks of one answer. `ticks` are in order, up to now; `since` (Unix seconds) and `until` (ns) are where history
    begins and ends, and `has` says of a tick whether history has it.

    With `start`: the first `count` from there; with `end`: the last `count` before it. The second at the page's far end
    is completed, unless `strict`.
    """
    stop = len(ticks) if until is None else bisect.bisect_left(ticks, until, key=lambda t: t.time)
    if start is not None:
        at = bisect.bisect_left(ticks, start, key=lambda t: t.second)
        rest = (t for t in itertools.islice(ticks, at, stop) if has(t))
    else:
        stop = min(stop, bisect.bisect_left(ticks, end, key=lambda t: t.second))
        first = bisect.bisect_left(ticks, since, key=lambda t: t.second)
        rest = (ticks[i] for i in range(stop - 1, first - 1, -1) if has(ticks[i]))
    taken = list(itertools.islice(rest, count))
    if not strict and taken:
        taken += itertools.takewhile(lambda t: t.second == taken[-1].second, rest)
    return taken if start is not None else taken[::-1]


def recent(ticks, count, before, has):
    """The past ticks in front of a subscription: the newest `count` of history that happened before `before` (ns)."""
    newest = itertools.takewhile(lambda pair: pair[0] < count, enumerate(
        t for t in reversed(ticks) if has(t) and t.time < before))
    return [tick for _, tick in newest][::-1]


class Pacer:
    """The documented limits of history requests; `limits` None: none."""

    def __init__(self):
        self.requests = []

    def violation(self, now, identity, group, weight, limits):
        """Why this request (seconds `now`) is one too many; empty when it is not."""
        if limits is None:
            return ""
        self.requests = [r for r in self.requests if r[0] > now - 600]
        same = [r for r in self.requests if r[1] == identity and r[0] > now - limits.get("identical", 15)]
        close = [r for r in self.requests if r[2] == group and r[0] > now - 2]
        used = sum(r[3] for r in self.requests)
        self.requests.append((now, identity, group, weight))
        if same:
            return "identical request within 15 s"
        if len(close) + 1 >= limits.get("per_contract_2s", 6):
            return "six requests for one contract within 2 s"
        if used + weight > limits.get("per_10min", 60):
            return "more than 60 requests within 10 min"
        return ""


def apply_faults(ticks, faults, previous, second_before):
    """What a faulty history makes of a page. `previous` is the page before of the same kind, `second_before` what it has of
    the second before the page.

    Within a second nobody can tell ticks that are told again from equal ones: what is told again here shows in its times.
    """
    mode = faults["history_repeat"]
    if mode == "whole" and previous:
        return previous
    if mode == "part" and previous:
        return previous[-max(1, len(previous) // 3):] + ticks
    if mode == "early" and ticks:
        return second_before + [t for t in ticks if t.second == ticks[0].second] + ticks
    if mode in ("backwards", "twice") and ticks and ticks[0].second < ticks[-1].second:
        # Backwards: in the middle of its last second it goes back to the one before.
        before = sum(t.second < ticks[-1].second for t in ticks)
        cut = (before + len(ticks) + 1) // 2 if mode == "backwards" else len(ticks)
        again = ticks[before - 1].second if mode == "backwards" else ticks[0].second
        return ticks[:cut] + [t for t in ticks if t.second >= again]
    return ticks


def day(faults, start, end):
    """Where the day of a request ends, and where it begins: (Unix seconds or None, Unix seconds)."""
    ends = faults["history_day_end"] or []
    ends = sorted(ends) if isinstance(ends, (list, tuple)) else [ends]
    if start is not None:
        return next((e for e in ends if start < e), None), 0
    return None, max((e for e in ends if e < end), default=0) if faults["history_day_behind"] else 0


def content(faults):
    """What history has, as a function of a tick: with or without unreported trades."""
    if faults["history_without_unreported"] is True:
        return lambda tick: not tick.is_unreported
    return lambda tick: True


def newest_allowed(faults, now):
    """Before which time history has ticks. One that is late may have a part of its newest second."""
    return now + 1 - int((faults["history_lag"] or 0) * BILLION)
