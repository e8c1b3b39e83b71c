"""Against a gateway that shares nothing with the product: what its market did is recorded, once, in order, unaltered.

Each test has a market of its own and a truth that is written down tick by tick (Tests/Adversary); what is exported from
the recording is held against it by code of its own.
"""

import asyncio
import csv
import json
import re
import subprocess
import sys
import time

import pytest

from against_adversary import AAPL, BTC, EUR, MNQ, Adversary, Run, compare
from ibstream import REPOSITORY, wait_for

ALL = {
    MNQ: ("MNQ", ["bid_ask", "last", "all_last", "mid_point"]),
    AAPL: ("AAPL", ["bid_ask", "last", "all_last", "mid_point"]),
    EUR: ("EUR.USD", ["bid_ask", "mid_point"]),
    BTC: ("BTC", ["bid_ask", "last"]),
}


def test_what_was_put_on_sockets_is_recorded_exactly(lab):
    run = Run(lab, streams=ALL, speed=3, unreported=0.07)
    run.wait_ticks(60)
    reports = run.check(least=60)
    assert all(r.unavailable == 0 for r in reports)


def test_what_was_missed_comes_from_its_history(lab):
    run = Run(lab, speed=2, faults={"history_pieces": 3})
    run.gateway.do("drop")
    run.wait_ticks()
    run.gateway.do("refuse")
    run.gateway.do("drop", reset=True)
    time.sleep(2)
    run.gateway.do("accept")
    run.wait_ticks()
    run.wait_healed(2)
    run.check()


def test_a_stop_and_a_start_lose_and_repeat_nothing(lab):
    run = Run(lab, speed=2)
    assert run.connector.stop() == 0
    time.sleep(1)
    assert run.recorder.stop() == 0
    run.start("recorder")
    run.start("connector")
    run.wait_ticks()
    run.wait_healed(1)
    run.check()


def test_level_1_is_recorded_message_by_message(lab):
    """History has no level 1: what was put on the socket is all that there is, each price and each size as it came."""
    run = Run(lab, {con_id: (symbol, ["level1"]) for con_id, (symbol, _) in ALL.items()}, ready=False, speed=3)
    wait_for("level 1", lambda: len(ticks := run.ticks()) == len(ALL) and min(ticks.values()) >= 30)
    run.stop()
    out = lab.folder / "export"
    lab.ib_stream("export", "--format", "csv", "--no-markers", "--root", lab.root, "--out", out)

    def messages(rows, con_id, attributes):
        return [(row["field"], *(compare.canonical("price", row[name]) for name in ("value", "size")),
                 int(row[attributes] or 0)) for row in rows if row.get("con_id", con_id) == con_id]

    truth = list(compare.read(run.truth / "level1.csv"))
    for con_id in map(str, ALL):
        recorded = messages(compare.read(out / f"{con_id}.level1.csv"), con_id, "code")
        assert len(recorded) >= 30
        assert recorded == messages(truth, con_id, "mask")


# The gateway and the comparison themselves


def test_an_official_kind_of_client_reads_what_it_writes(tmp_path):
    """ib_async, which shares nothing with either side: ticks as they were put, history as the market made it."""
    import ib_async

    async def read(port):
        client = ib_async.IB()
        await client.connectAsync("127.0.0.1", port, clientId=9, timeout=30)
        apple = ib_async.Contract(conId=AAPL, exchange="SMART", symbol="AAPL", secType="STK", currency="USD")
        [details] = await client.reqContractDetailsAsync(apple)
        got = {"TickByTickAllLast": [], "TickByTickBidAsk": []}

        def take(ticker):
            for tick in ticker.tickByTicks:
                got[type(tick).__name__].append(tick)

        for kind in ("AllLast", "BidAsk"):
            ticker = client.reqTickByTickData(apple, kind)
        ticker.updateEvent += take
        while min(map(len, got.values())) < 20:
            await asyncio.sleep(0.02)
        past = await client.reqHistoricalTicksAsync(apple, "", "20991231-00:00:00", 30, "BID_ASK", False)
        client.disconnect()
        return details, got, past

    with Adversary(tmp_path, warm_up=3, max_version=178) as gateway:
        details, got, past = asyncio.run(read(gateway.port))
        assert gateway.complaints == []
    assert (details.longName, str(details.minTick), details.timeZoneId) == ("APPLE INC", "0.01", "UTC")
    sent = list(compare.read(tmp_path / "sent.csv"))
    trades = [(float(r["price"]), float(r["size"]), r["exchange"], r["conditions"], r["mask"] in "23")
              for r in sent if r["kind"] == "all_last"]
    quotes = [(float(r["bid_price"]), float(r["ask_price"]), float(r["bid_size"]), float(r["ask_size"]), int(r["mask"]))
              for r in sent if r["kind"] == "bid_ask"]
    # Less what was under way when it left.
    assert [(t.price, t.size, t.exchange, t.specialConditions, t.tickAttribLast.unreported)
            for t in got["TickByTickAllLast"]] == trades[:len(got["TickByTickAllLast"])]
    assert [(t.bidPrice, t.askPrice, t.bidSize, t.askSize, t.tickAttribBidAsk.bidPastLow
             + 2 * t.tickAttribBidAsk.askPastHigh)
            for t in got["TickByTickBidAsk"]] == quotes[:len(got["TickByTickBidAsk"])]
    market = [(int(r["second"]), float(r["bid_price"]), int(r["mask"])) for r in compare.read(tmp_path / "market.csv")
              if r["kind"] == "bid_ask" and r["route"] == "SMART" and r["con_id"] == str(AAPL)]
    history = [(int(t.time.timestamp()), t.priceBid, t.tickAttribBidAsk.bidPastLow + 2 * t.tickAttribBidAsk.askPastHigh)
               for t in past]
    assert len(history) >= 30
    assert any(history == market[at:at + len(history)] for at in range(len(market)))


def test_the_same_seed_makes_the_same_market(tmp_path):
    from adversary.catalogue import instruments
    from adversary.market import BILLION, Market

    def ticks(seed, steps):
        market = Market(instruments()[0], seed, 10**18)
        return [t for step in range(1, steps + 1) for t in market.advance(10**18 + step * 20 * BILLION // steps)]

    # However often it is asked meanwhile.
    assert ticks(3, 1) == ticks(3, 977)
    assert ticks(3, 1) != ticks(4, 1)
    assert len(ticks(3, 1)) > 500


@pytest.mark.parametrize("change,counts", [
    (lambda rows: rows, {}),
    (lambda rows: rows[:10] + rows[11:], {"missing": 1}),
    (lambda rows: rows[:30] + rows[20:], {"repeated": 10}),
    (lambda rows: rows[:5] + [{**rows[5], "bid_price": "1"}] + rows[6:], {"altered": 1}),
    (lambda rows: rows[:5] + [{**rows[5], "flags": "3"}] + rows[6:], {"altered": 1}),
    (lambda rows: rows[:5] + [{**rows[5], "bid_size": "9999999"}] + rows[5:], {"invented": 1}),
    (lambda rows: rows[1:], {"missing": 1}),
    (lambda rows: rows[:-1], {"missing": 1}),
    (lambda rows: [], {"missing": 60}),
    (lambda rows: rows[:20] + rows[21:40] + [rows[20]] + rows[40:], {"misplaced": 1}),
])
def test_the_comparison_sees_what_differs(tmp_path, change, counts):
    from adversary.catalogue import instruments
    from adversary.market import BILLION, Market
    from adversary.truth import FIELDS, Truth, columns

    market = Market(instruments()[0], 8, 10**18)
    truth = Truth(tmp_path / "truth")
    rows = []
    for kind, tick in market.advance(10**18 + 10 * BILLION):
        truth.happened(market.instrument, kind, tick)
        if kind == "bid_ask" and 100 <= tick.index < 160:
            truth.put(tick.time, 1, 1, MNQ, "CME", kind, tick.index, tick.second, tick.mask, tick.values)
            rows.append({"kind": kind, "ts_event": compare.moment(tick.second), "flags": str(tick.mask),
                         **dict(zip(FIELDS, columns(kind, tick.values)))})
    truth.close()
    (tmp_path / "export").mkdir()
    with open(tmp_path / "export" / f"{MNQ}.bid_ask.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, ["kind", "ts_event", "flags", *FIELDS])
        writer.writeheader()
        writer.writerows(change(rows))
    [report] = compare.compare_folders(tmp_path / "truth", tmp_path / "export")
    found = {name: getattr(report, name) for name in ("missing", "repeated", "altered", "invented", "misplaced")}
    assert {name: count for name, count in found.items() if count} == counts, str(report)
    assert report.is_exact == (not counts) and bool(report.first) == bool(counts)


def test_it_runs_as_a_program_of_its_own(tmp_path):
    program = subprocess.Popen(
        [sys.executable, "-m", "adversary", "--folder", tmp_path / "truth"], cwd=REPOSITORY / "Tests" / "Adversary",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout.readline().startswith("listening on 127.0.0.1:")
        answers = []
        for line in ('set history_repeat "whole"', "set no_such_fault 1", "do status", "do nothing",
                     "clear history_repeat"):
            print(line, file=program.stdin, flush=True)
            answers.append(json.loads(program.stdout.readline()))
        assert [a["ok"] for a in answers] == [True, False, True, False, True]
        assert answers[2]["result"]["faults"] == {"history_repeat": "whole"}
    finally:
        program.stdin.close()
        assert program.wait(30) == 0
        program.stdout.close()
    assert (tmp_path / "truth" / "market.csv").stat().st_size > 0


def test_every_assumption_names_a_test_that_exists_or_says_that_there_is_none():
    text = (REPOSITORY / "docs" / "assumptions.md").read_text()
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in row] for row in rows if row[0].strip() != "assumption"]
    assert len(rows) > 40 and all(len(row) == 4 for row in rows)
    for assumption, recorded, health, test in rows:
        if test == "no test yet":
            continue
        [file, name] = re.fullmatch(r"`(\w+\.py)::(\w+)`", test).groups()
        assert re.search(rf"^def {name}\(", (REPOSITORY / "Tests" / "System" / file).read_text(), re.M), test
        assert recorded and health, f"shown, and not said what happens: {assumption}"
