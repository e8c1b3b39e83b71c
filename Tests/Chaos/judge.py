"""The proof at a run's end: files against the market's history, the ledger, `verify`; and the words on what differs."""

import json
import time

import numpy as np

import faults
import ibstream
import looks
import truth
import witness
from looks import LedgerGap

AROUND_SECONDS = 12
# A tick is on its way for so long without being a cause for anything; health is 503 for so long after its last cause at most.
BUSY_SECONDS = 1
RED_SECONDS = 45
KINDS = {name: number for number, name in ibstream.KINDS.items()}
# So many streams are described at length; the others in one line.
DESCRIBED = 3


def judge(run):
    lab, report = run.lab, run.report
    check_verify(run)
    out = lab.folder / "export"
    lab.ib_stream("export", "--format", "csv", "--no-markers", *lab.where, "--out", out, timeout=600)
    market = truth.read_rows(run.gateway.history, set(stream_names(run)))
    ledger = read_ledger(run)
    sent = {stream: since_destroyed(ticks, run.system.destroyed, stream) for stream, ticks in run.gateway.sent(run.witness).items()}
    check_witness(run, sent)
    check_stops(run)
    waited, away = [], {}
    totals = dict.fromkeys(("ticks", "healed", "gaps", "missing", "unavailable", "unwanted", "named", "repeated", "altered", "misplaced",
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
        away[stream] = times_away(run, stream, records)
        named = seconds_named(run, ledger.get(stream, []))
        result = truth.compare(stream, rows.seconds[stream], market.seconds[stream], gaps, away[stream], named)
        away[stream] = away[stream] + named
        waited += check_health(run, stream, sent[stream], rows.keys[stream], truth.verdicts_on_healed(records), result.missing)
        check_ends(run, stream, rows.seconds[stream], market.seconds[stream])
        totals["unexpected_gaps"] += check_causes(run, stream, gaps, result)
        for name, value in (
                ("ticks", rows.counts[stream]), ("healed", rows.healed[stream]), ("gaps", len(gaps)),
                ("missing", len(result.missing)), ("unavailable", result.not_in_history), ("unwanted", result.unwanted), ("named", result.named),
                ("repeated", len(result.repeated)), ("altered", len(result.altered)),
                ("misplaced", len(result.misplaced) + len(rows.falls))):
            totals[name] += value
        if result.problems or rows.falls:
            describe(run, stream, result, rows, records, gaps, ledger.get(stream, []))
    check_red(run, waited)
    for difference in run.gateway.differences(out, away):
        run.problem(f"the gateway's own comparison: {difference}")
    report.update(totals)


def times_away(run, stream, records):
    """When the stream was not in the configuration, by its records; each time is one at which the operator had taken it out."""
    faulty = [f for f in run.injector.done if f.kind == "contract removed" and f.target == stream.split(".")[0]]
    spans = truth.unwanted(records)
    for first, last in spans:
        if last is None or not any(int(f.began) <= first and last <= f.ended + AROUND_SECONDS for f in faulty):
            run.problem(f"{stream}: not recorded from {truth.text_of(first)} to {truth.text_of(last)}, and it was in the configuration")
    if len(spans) != len(faulty):
        run.problem(f"{stream}: left {len(spans)} times, and was taken out of the configuration {len(faulty)} times")
    return [(first, last) for first, last in spans if last is not None]


def seconds_named(run, listed):
    """[(first, last)] of the seconds that the ledger names as not filled, or not as history tells them, where history was at fault
    while it was asked: an answer that contradicts itself is not believed, and the gap is tried again after an hour."""
    spans = []
    for gap in listed:
        at_fault = [f for f in run.injector.done if f.kind in faults.UNBELIEVABLE
                    and f.ended >= faults.right_times(run.injector.done, gap["opened"] / 1e9)[0]]
        if gap["state"] in ("partly", "edge_unreconciled") and at_fault:
            spans += [(first, end - 1) for first, end in gap["unfilled"]]
    return spans


def since_destroyed(sent, destroyed, stream):
    """[(tick, moment)] of one stream: what was durable and then destroyed is missing since the system runs again.
    `destroyed`: [(moment, {stream: {tick: keys}})]."""
    sent = sorted(sent, key=lambda tick: tick[1])
    for moment, rows in destroyed:
        left = {what: len(keys) for what, keys in rows.get(stream, {}).items()}
        for at in range(len(sent) - 1, -1, -1):
            what, when = sent[at]
            if when < moment and left.get(what):
                left[what] -= 1
                sent[at] = what, moment
    return sent


def check_stops(run):
    """A stop in order ends with 0, or with 1 where something was in its way."""
    for stop in run.system.stops:
        others = [f for f in run.injector.done if f.began <= stop.ended and f.ended >= stop.began - faults.NOTICED_SECONDS
                  and f.kind in faults.HINDERING]
        if stop.status != 0 and not (stop.status == 1 and others):
            run.problem(f"ib-stream up ended with {stop.status} at {stop.ended - run.origin:.2f} s: {stop.words}")
    for path in run.system.cleaned:
        run.problem(f"a cleaner removed {path}, though the system was running")


def stream_names(run):
    from chaos import NAMES

    return NAMES


def check_verify(run):
    try:
        text = run.lab.ib_stream("verify", *run.lab.where, timeout=600)
        run.report["verify"] = text.strip().splitlines()[-1].removeprefix(f"{run.lab.state}: ")
    except AssertionError as error:
        run.report["verify"] = "failed"
        run.problem(f"verify: {error}")


def read_ledger(run):
    """{stream: gaps} of `ib-stream gaps --json`."""
    answer = json.loads(
        run.lab.ib_stream("gaps", "--all", "--json", *run.lab.where, check=None, timeout=600))
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
    if any(page[2] != 200 and not page[3] for page in seen.pages):
        run.problem("health was 503 without a reason")
    run.report["witness_longest_look"] = round(seen.longest_look() or 0, 2)
    run.report["sent"] = sum(map(len, sent.values()))
    told = [verdict for verdict in seen.verdicts if verdict.is_told]
    run.report["verdicts"] = len(told)
    if not told or not any(not verdict.is_clean for verdict in told):
        run.problem("nothing was ever said by gaps and status, or never that something is missing: their truth is not proved")
    if seen.failure:
        run.problem(f"the witness failed: {seen.failure!r}")
    if not any(page[2] == 200 for page in seen.pages) or not seen.seen or not run.report["sent"]:
        run.problem("the witness saw no green page, no record or no tick sent: health is not proved")


def check_health(run, stream, sent, keys, verdicts, missing):
    """Health was not 200 while a tick that the gateway had sent was not durable for too long, and neither gaps nor status said that
    nothing is missing then. `verdicts`: {key of a healed tick: key of the marker that called its gap a hole before}; `missing`: ticks that are not there in the end. Returns [(sent, absent until)]."""
    con_id, kind = stream.split(".")
    known = run.witness.absent_until(int(con_id), KINDS[kind])
    unseen = sum(key not in known for found in keys.values() for key in found)
    if unseen:
        run.problem(f"{stream}: {unseen} ticks that are recorded were never seen in the log: health is not proved")
    written = {what: [known.get(key, 0) for key in found] for what, found in keys.items()}
    for what in missing:
        written.setdefault(what, []).append(np.inf)
    pairs = witness.pairs(sent, written)
    waited = [(when, until) for _, when, until in pairs]
    pages = run.witness.pages + [
        (v.asked, v.answered, 200 if v.is_green else 503) for v in run.witness.verdicts if v.command == "status" and v.is_told]
    longest = max((until - when for when, until in waited if until < np.inf), default=0)
    run.report["longest_wait"] = max(run.report.get("longest_wait", 0), round(longest, 1))
    told = {what: [min(known.get(key, 0), known.get(verdicts.get(key), np.inf)) for key in found] for what, found in keys.items()}
    worst = witness.late(pages, witness.waits(sent, told))
    for verdict, second, count in looks.false_verdicts(
            run.witness.verdicts, stream, run.witness.claims.get((int(con_id), KINDS[kind]), []),
            [(what[0], when, until) for what, when, until in pairs])[:3]:
        run.problem(f"{stream}: {verdict.command} said nothing at {verdict.asked - run.origin:.2f} s of {count} ticks missing of "
                    f"{truth.text_of(second)} ({second - run.origin:+.0f} s)")
    if worst:
        run.problem(f"{stream}: health was 200 at {worst[0] - run.origin:.2f} s although a tick that the gateway had sent had "
                    f"been waiting for {worst[1]:.1f} s to become durable")
    return waited


def check_red(run, waited):
    """Health was never 503 for long when nothing was wrong any more: no fault, no tick on its way, no gap that waits."""
    causes = [(f.began, f.ended) for f in run.injector.done] + [(sent, until) for sent, until in waited if BUSY_SECONDS < until - sent < np.inf]
    told = [verdict for verdict in run.witness.verdicts if verdict.command == "gaps"]
    causes += [(a.asked, b.answered) for a, b in zip(told, told[1:]) if not a.is_told or a.has_pending]
    seconds, moment = looks.unexplained_red(run.witness.pages, causes)
    run.report["red_without_cause"] = round(seconds, 1)
    if seconds > RED_SECONDS:
        reasons = next(page[3] for page in run.witness.pages if page[0] == moment)
        run.problem(f"health was still 503 at {moment - run.origin:.2f} s, {seconds:.1f} s after its last cause: {reasons[:3]}")


def check_ends(run, stream, recorded, market):
    """The recording reaches from before the faults to the market's last second: what lies between is compared."""
    first, last, end = min(recorded), max(recorded), max(market)
    if first > run.origin or last < end - 1:
        run.problem(f"{stream}: recorded from {truth.text_of(first)} to {truth.text_of(last)}, the faults began at "
                    f"{truth.text_of(run.origin)} and the market ended at {truth.text_of(end)}")


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
