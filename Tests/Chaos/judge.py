"""The proof at a run's end: files against the market's history, the ledger, `verify`; and the words on what differs."""

import json
import time

import numpy as np

import faults
import ibstream
import truth
import witness

AROUND_SECONDS = 12
KINDS = {name: number for number, name in ibstream.KINDS.items()}
# So many streams are described at length; the others in one line.
DESCRIBED = 3


def judge(run):
    lab, report = run.lab, run.report
    check_verify(run)
    out = lab.folder / "export"
    lab.ib_stream("export", "--format", "csv", "--no-markers", "--root", lab.root, "--out", out, timeout=600)
    for difference in run.gateway.differences(out):
        run.problem(f"the gateway's own comparison: {difference}")
    market = truth.read_rows(run.gateway.history, set(stream_names(run)))
    ledger = read_ledger(run)
    sent = run.gateway.sent(run.witness)
    check_witness(run, sent)
    totals = dict.fromkeys(("ticks", "healed", "gaps", "missing", "unavailable", "repeated", "altered", "misplaced",
                            "unexpected_gaps"), 0)
    for stream in stream_names(run):
        path = out / f"{stream}.csv"
        if not path.exists():
            run.problem(f"{stream}: nothing is recorded")
            continue
        rows = truth.read_rows(path, {stream})
        records = lab.records(stream)
        try:
            ibstream.check_numbering(records)
        except AssertionError as error:
            run.problem(f"{stream}: {error}")
        gaps = truth.gaps_of(records)
        check_ledger(run, stream, gaps, ledger.get(stream, []))
        result = truth.compare(stream, rows.seconds[stream], market.seconds[stream], gaps)
        check_health(run, stream, sent[stream], rows.keys[stream], truth.gaps_of_healed(records))
        check_ends(run, stream, rows.seconds[stream], market.seconds[stream])
        totals["unexpected_gaps"] += check_causes(run, stream, gaps, result)
        for name, value in (
                ("ticks", rows.counts[stream]), ("healed", rows.healed[stream]), ("gaps", len(gaps)),
                ("missing", len(result.missing)), ("unavailable", result.not_in_history),
                ("repeated", len(result.repeated)), ("altered", len(result.altered)),
                ("misplaced", len(result.misplaced) + len(rows.falls))):
            totals[name] += value
        if result.problems or rows.falls:
            describe(run, stream, result, rows, records, gaps, ledger.get(stream, []))
    report.update(totals)


def stream_names(run):
    from chaos import NAMES

    return NAMES


def check_verify(run):
    try:
        text = run.lab.ib_stream("verify", "--root", run.lab.root, timeout=600)
        run.report["verify"] = text.strip().splitlines()[-1].removeprefix(f"{run.lab.state}: ")
    except AssertionError as error:
        run.report["verify"] = "failed"
        run.problem(f"verify: {error}")


def read_ledger(run):
    """{stream: gaps} of `ib-stream gaps --json`."""
    answer = json.loads(
        run.lab.ib_stream("gaps", "--all", "--json", "--root", run.lab.root, check=None, timeout=600))
    if answer["unreadable"]:
        run.problem(f"gaps: unreadable: {answer['unreadable']}")
    run.report["ledger"] = {state: count for state, count in answer["counts"].items() if count}
    ledger = {}
    for gap in answer["gaps"]:
        ledger.setdefault(gap["stream"], []).append(gap)
    return ledger


def check_witness(run, sent):
    """What the witness has seen is enough to prove anything."""
    seen = run.witness
    run.report["health_pages"] = len(seen.pages)
    run.report["witness_longest_look"] = round(seen.longest_look() or 0, 2)
    run.report["sent"] = sum(map(len, sent.values()))
    if seen.failure:
        run.problem(f"the witness failed: {seen.failure!r}")
    if not any(page[2] == 200 for page in seen.pages) or not seen.seen or not run.report["sent"]:
        run.problem("the witness saw no green page, no record or no tick sent: health is not proved")


def check_health(run, stream, sent, keys, gaps):
    """Health was not 200 while a tick that the gateway had sent was not durable for too long. `gaps`: {key of a healed tick:
    key of its gap}."""
    con_id, kind = stream.split(".")
    known = run.witness.absent_until(int(con_id), KINDS[kind])
    unseen = sum(key not in known for found in keys.values() for key in found)
    if unseen:
        run.problem(f"{stream}: {unseen} ticks that are recorded were never seen in the log: health is not proved")
    written = {what: [known.get(key, 0) for key in found] for what, found in keys.items()}
    waited = witness.waits(sent, written)
    healing = witness.late(run.witness.pages, waited)
    for name, seconds in (("longest_wait", max((until - when for when, until in waited), default=0)),
                          ("green_healing", healing[1] if healing else 0)):
        run.report[name] = max(run.report.get(name, 0), round(seconds, 1))
    told = {what: [min(known.get(key, 0), known.get(gaps.get(key), np.inf)) for key in found] for what, found in keys.items()}
    worst = witness.late(run.witness.pages, witness.waits(sent, told))
    if worst:
        run.problem(f"{stream}: health was 200 at {worst[0] - run.origin:.2f} s although a tick that the gateway had sent had "
                    f"been waiting for {worst[1]:.1f} s to become durable")


def check_ends(run, stream, recorded, market):
    """The recording reaches from before the faults to the market's last second: what lies between is compared."""
    first, last, end = min(recorded), max(recorded), max(market)
    if first > run.origin or last < end - 1:
        run.problem(f"{stream}: recorded from {truth.text_of(first)} to {truth.text_of(last)}, the faults began at "
                    f"{truth.text_of(run.origin)} and the market ended at {truth.text_of(end)}")


class LedgerGap:
    """A gap as `ib-stream gaps --json` gives it: whole seconds, both included."""

    def __init__(self, gap):
        self.first = second(gap["before"], gap["from"])
        self.last = second(gap["after"], gap["to"])

    def covers(self, second):
        return (self.first is None or second >= self.first) and (self.last is None or second <= self.last)


def second(edge, nanos):
    """The second of a gap's edge: that of its live tick if there is one, else of the host's clock."""
    if edge and edge["ts_event"] is not None:
        nanos = edge["ts_event"]
    return None if nanos is None else nanos // 10**9


def check_causes(run, stream, gaps, result):
    """Every hole that remains has a cause that one of the faults can have. Returns how many gaps no fault explains: a busy
    machine makes processes late, which is noticed too; where nothing is missing in the end, that is no harm."""
    unexpected = 0
    for gap in gaps:
        # The last one is the run's own end.
        if gap.last is None or faults.explains(run.injector.done, gap.cause, gap.opened):
            continue
        unexpected += 1
        lacking = sum(gap.covers(second) for second, _ in result.missing)
        if lacking:
            run.problem(f"{stream}: {lacking} ticks are missing in a gap that no fault explains: {gap.line()}")
    return unexpected


def check_ledger(run, stream, gaps, listed):
    """The ledger has every gap of the records; what is not healed is at an end, and has a cause that a fault explains."""
    spans = [LedgerGap(gap) for gap in listed]
    for gap in gaps:
        if not any((g.first is None or gap.first is None or g.first <= gap.first)
                   and (g.last is None or gap.last is not None and g.last >= gap.last) for g in spans):
            run.problem(f"{stream}: not in the ledger: {gap.line()}")
    for gap in listed:
        if gap["state"] in ("healed", "open"):
            continue
        # A second that history told differently each time is named; whether something of it is missing is judged by the ticks.
        if gap["state"] == "pending" or gap["state"] == "partly" and not gap["unfilled"]:
            run.problem(f"{stream}: {gap['state']} at the end: {json.dumps(gap)[:600]}")
        # What is written behind a colon tells more of the cause.
        for cause in (cause.split(":")[0] for cause in gap["cause"].split(", ")):
            closed = (gap["after"] or {}).get("ts_recv", gap["ended"])
            if not faults.explains(run.injector.done, cause, gap["opened"] / 1e9, closed and closed / 1e9):
                run.problem(f"{stream}: no fault explains {cause} of a hole that remains: {json.dumps(gap)[:600]}")


def describe(run, stream, result, rows, records, gaps, listed):
    """Says what differs first, and what was going on then."""
    first = result.first() or (rows.falls[0][1], "misplaced", f"time falls to {truth.text_of(rows.falls[0][2])}")
    second, what, text = first
    run.problem(
        f"{stream}: {len(result.missing)} missing, {len(result.repeated)} repeated, {len(result.altered)} altered, "
        f"{len(result.misplaced) + len(rows.falls)} misplaced; first {what} at {truth.text_of(second)} "
        f"({second - run.origin:+.0f} s): {text}")
    run.described += 1
    if run.described > DESCRIBED:
        return
    for gap in gaps:
        if gap.covers(second):
            run.say(f"    gap: {gap.line()}")
    for gap in listed:
        if LedgerGap(gap).covers(second):
            run.say(f"    ledger: {json.dumps(gap)[:600]}")
    for line in markers_around(records, second):
        run.say(f"    marker: {line}")
    for fault in run.injector.done:
        if fault.began - AROUND_SECONDS <= second <= fault.ended + AROUND_SECONDS:
            run.say(f"    fault: {fault.line(run.origin)}")


def markers_around(records, second):
    """The markers within some seconds of a moment, as text."""
    events = {1: "subscribed", 2: "gap_opened", 3: "gap_closed", 4: "heal", 5: "heal_end", 6: "tws_code", 9:
              "suspicious_price", 10: "unsubscribed", 11: "lost", 12: "undecodable",
              13: "rerouted", 14: "definition_changed", 15: "epoch_begun"}
    lines = []
    for record in records[records["kind"] == 255]:
        moment = int(record["ts_recv"]) / 1e9
        if abs(moment - second) > AROUND_SECONDS:
            continue
        body = record["body"].tobytes()
        name = events.get(body[1], body[1])
        text = body[16:].rstrip(b"\0").decode(errors="replace")
        clock = time.strftime("%H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1000):03}"
        lines.append(f"{record['epoch']}:{record['seq']} {clock} {name} {text}")
    return lines[:40]
