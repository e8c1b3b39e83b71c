"""What real gateways are known to do, done by one that shares nothing with the product: nothing ends recording, nothing is
stored twice, and what history can give is there."""

import datetime
import re
import subprocess
import time

import pytest

from against_adversary import AAPL, BOND, CFD, MNQ, ODD, STREAMS, Run, compare
from ibstream import wait_for

FARMS = {MNQ: "usfuture", AAPL: "usfarm"}


def farm(run, code, *names, text=None):
    for name in names:
        run.gateway.do("notice", code=code, farm=name, **({"text": text} if text else {}))


# Definitions

IMPOSSIBLE = [
    ({"definition_impossible_field": {"con_id": ODD, "field": "price_magnifier", "value": "0.01"}}, "price.?magnifier"),
    ({"definition_impossible_field": {"con_id": ODD, "field": "price_magnifier", "value": "2147483648"}}, "price.?magnifier"),
    ({"definition_impossible_field": {"con_id": ODD, "field": "min_tick", "value": "0,01"}}, "min.?tick"),
    ({"definition_short": ODD}, "field"),
]


@pytest.mark.parametrize("faults,field", IMPOSSIBLE, ids=["fraction", "too great", "comma", "too few fields"])
def test_an_impossible_definition_costs_its_request(lab, faults, field):
    run = Run(lab, {ODD: ("ODD", ["bid_ask"]), MNQ: ("MNQ", ["last"]), AAPL: ("AAPL", ["all_last"])},
              faults=faults, exchanges={ODD: "SMART"}, tws=["max_server_version: 200"])
    run.wait_ticks(10)
    assert run.gateway.status()["logins"] == 1
    said = [line for line in run.log().splitlines() if re.search(rf"(?i){field}", line) and "ODD" in line]
    assert len(said) == 1, run.log()
    run.check()


def test_definitions_wait_for_their_farm(lab):
    run = Run(lab, faults={"definition_error": {AAPL: [200, "No security definition has been found for the request"]},
                           "greeting_notices": [[2157, "Sec-def data farm connection is broken:secdefil"]]}, ready=False)
    run.wait_ticks(5, [f"{MNQ}.{kind}" for kind in STREAMS[MNQ][1]])
    run.gateway.faults.clear("definition_error")
    run.gateway.do("notice", code=2158, farm="secdefil")
    run.wait_ticks(5, seconds=20)
    run.check()


# Starting


def test_a_client_id_that_was_left_behind_is_got_over(lab):
    run = Run(lab, faults={"client_id_in_use": 2}, ready=False)
    run.wait_ticks(5, seconds=60)
    run.check()


@pytest.mark.parametrize("order", ["id first", "errors first"])
def test_the_order_of_the_first_messages_does_not_matter(lab, order):
    run = Run(lab, faults={"ready_order": order, "first_frame_early": False, "login": "slow"})
    run.check()


def test_an_empty_list_of_accounts_says_nothing(lab):
    run = Run(lab)
    run.gateway.faults["accounts"] = ""
    run.gateway.do("drop")
    run.wait_ticks()
    run.gateway.faults.clear("accounts")
    run.gateway.do("drop")
    run.wait_ticks()
    run.wait_healed(1)
    run.check()


# Subscriptions


def test_ticks_between_past_and_live_ones_come_from_history(lab):
    run = Run(lab, speed=3, faults={"past_ticks_end_early": 500})
    run.away(2)
    run.wait_healed(1)
    run.check()


@pytest.mark.parametrize("code,text", [
    (200, "No security definition has been found for the request"), (142, "The gateway is too old for this request")])
def test_what_a_gateway_refuses_is_named(lab, code, text):
    refused = [f"{MNQ}.{kind}" for kind in STREAMS[MNQ][1]]
    run = Run(lab, faults={"subscription_error": {name: [code, text] for name in refused}}, up=True, ready=False)
    run.wait_health("the cause", lambda s: s["health"] == "down" and all(
        any(name in reason and (str(code) in reason or text in reason) for reason in s["reasons"]) for name in refused))


# Farms and the link


def test_a_loss_that_nothing_ends_is_got_over_when_farms_come_back(lab):
    run = Run(lab)
    run.gateway.do("notice", code=1100)
    run.gateway.do("forget")
    farm(run, 2103, *FARMS.values())
    time.sleep(0.5)
    farm(run, 2104, *FARMS.values())
    run.wait_ticks()
    assert run.is_subscribed()
    run.wait_healed(1)
    run.check()


@pytest.mark.parametrize("lost", [True, False], ids=["link", "farm"])
def test_late_ticks_behind_bad_news_hide_no_hole(lab, lost):
    """Ticks come behind the news, and close the gap of it; then nothing, and then ticks again before anybody asks."""
    run = Run(lab)
    run.wait_ticks(20)
    run.gateway.do("notice", code=1100) if lost else farm(run, 2103, *FARMS.values())
    run.wait_ticks(1)
    run.gateway.do("silence")
    time.sleep(5)
    run.gateway.do("unsilence")
    run.wait_ticks()
    if not lost:
        farm(run, 2104, *FARMS.values())
    run.wait_healed(1)
    assert run.gateway.status()["logins"] == 1
    run.check()


def test_a_farm_that_comes_back_is_known_in_any_language(lab):
    run = Run(lab, speed=2, faults={"localized": True})
    farm(run, 2103, "usfarm")
    run.gateway.do("forget", streams=[n for n in run.names if n.startswith(f"{AAPL}.")])
    time.sleep(0.3)
    farm(run, 2104, "usfarm", text="Verbindung zur Marktdatenfarm ist OK: usfarm")
    run.wait_ticks()
    assert run.is_subscribed()
    run.wait_healed(1, [n for n in run.names if n.startswith(f"{AAPL}.")])
    run.check()


# History


@pytest.mark.parametrize("faults", [
    {}, {"history_without_unreported": True}, {"live_unreported_last": True},
    {"live_unreported_last": True, "history_without_unreported": True},
], ids=["history has them", "history has none", "last has them", "last has them, history has none"])
def test_unreported_trades_are_there_once(lab, faults):
    run = Run(lab, {MNQ: ("MNQ", ["last", "all_last"]), AAPL: ("AAPL", ["last", "all_last"])}, speed=2, unreported=0.25,
              faults=faults)
    run.gateway.do("drop")
    run.wait_ticks()
    run.gateway.do("drop", reset=True)
    run.wait_ticks(20)
    assert run.connector.stop() == 0
    time.sleep(1)
    run.start("connector")
    run.wait_ticks(20)
    run.wait_healed(3)
    run.check()


def test_a_warning_about_the_newest_seconds_refuses_nothing(lab):
    run = Run(lab, faults={"history_2188": True, "history_lag": 3, "past_ticks_missing": True})
    run.gateway.do("drop")
    run.wait_ticks()
    run.wait_healed(1)
    said = [line for line in run.log().splitlines() if "code=2188" in line]
    assert 1 <= len(said) <= len(run.streams), "\n".join(said)
    run.check()


def test_what_was_missed_before_a_market_closed_is_had_before_it_opens(lab):
    run = Run(lab, speed=2)
    run.gateway.do("refuse")
    run.gateway.do("drop")
    time.sleep(2)
    run.gateway.do("pause")
    run.gateway.do("accept")
    ends = run.gateway.call(lambda: {
        f"{i.con_id}.{kind}": ticks[-1].second + 1 for i in run.gateway.gateway.instruments if i.exchange in ("CME", "SMART")
        for kind, ticks in run.gateway.gateway.markets[i.key].ticks.items() if ticks})

    def is_healed():
        gaps = {gap["stream"]: gap for gap in run.gaps()["gaps"] if gap["state"] == "open"}
        return all(gaps.get(name, {"runs": []})["runs"][-1:] and gaps[name]["runs"][-1][4] == ends[name] for name in run.names)

    wait_for("open gaps that are healed up to the market's end", is_healed, 120, 0.5)
    said = lab.ib_stream("gaps", "--root", lab.root, check=1)
    assert said.count("healed until") == len(run.names) and f"{len(run.names)} open" in said, said
    # The market opens: what is there is not fetched again, and nothing is missing.
    run.gateway.do("go")
    run.wait_ticks()
    run.wait_healed(1)
    run.check()


@pytest.mark.parametrize("mode", ["whole", "part", "backwards", "twice"])
def test_history_that_repeats_itself_is_never_stored_twice(lab, mode):
    run = Run(lab, {MNQ: ("MNQ", ["bid_ask"]), AAPL: ("AAPL", ["mid_point", "last"])}, speed=6,
              faults={"history_repeat": mode, "past_ticks_missing": True})
    run.away(4)
    run.wait_requests(4, 96)
    time.sleep(1)
    run.gateway.faults.clear("history_repeat")
    ends = ("healed", "partly", "edge_unreconciled")
    wait_for("an end of healing", lambda: all(state in ends for states in run.gap_states().values()
                                              for state in states), 120, 0.5)
    run.stop()
    lab.ib_stream("verify", "--root", lab.root)
    for report in run.reports():
        assert (report.repeated, report.altered, report.invented, report.misplaced) == (0, 0, 0, 0), str(report)
        assert report.missing == 0 or set(run.gap_states()[report.stream]) != {"healed"}, str(report)


def test_an_answer_that_begins_before_what_was_asked_for_is_stored_once(lab):
    """Each answer has the second before, and tells its first second twice: nothing in it says so."""
    run = Run(lab, {MNQ: ("MNQ", ["bid_ask"]), AAPL: ("AAPL", ["mid_point", "last"])}, speed=6,
              faults={"history_repeat": "early", "past_ticks_missing": True})
    run.away(4)
    run.wait_healed(1)
    run.check()


def test_the_documented_limits_of_history_are_kept(lab):
    run = Run(lab, more="", faults={"history_pacing": {}})
    run.gateway.do("drop")
    run.wait_ticks()
    run.gateway.do("drop")
    run.wait_ticks()
    run.wait_healed(2, seconds=90)
    run.check()


# Instruments


def test_a_bond_is_found_and_recorded(lab):
    run = Run(lab, {BOND: ("BOND", ["bid_ask"])}, speed=4, up=True)
    assert "BOND" in lab.ib_stream("lookup", "IBCID15960357", "--type", "BOND", "--config", run.config)
    run.wait_health("hours", lambda s: s["health"] == "healthy")
    definition = (lab.state / "definitions" / f"{BOND}.json").read_text()
    assert "UTC" in definition and "0000-" in definition, definition
    run.check()


def test_a_contract_that_is_rerouted_is_followed(lab):
    """What is recorded under a contract for difference is what its underlying did."""
    run = Run(lab, {CFD: ("AAPL.CFD", ["bid_ask"]), MNQ: ("MNQ", ["last"])}, faults={"reroute": True}, ready=False,
              exchanges={CFD: "SMART"})
    wait_for("its ticks", lambda: run.ticks().get(f"{CFD}.bid_ask", 0) >= 20)
    assert any(str(AAPL) in line and str(CFD) in line for line in run.log().splitlines()), run.log()
    run.stop()
    run.reports()
    report = compare.compare(f"{CFD}.bid_ask", compare.expectations(run.truth)[f"{AAPL}.bid_ask"],
                             compare.exported(lab.folder / "export" / f"{CFD}.bid_ask.csv"))
    assert report.is_exact and report.recorded >= 20, str(report)


def test_the_exchange_of_the_configuration_is_the_one_that_is_recorded(lab):
    run = Run(lab, {AAPL: ("AAPL", ["last"])}, exchanges={AAPL: "OVERNIGHT"})
    run.check(route={str(AAPL): "OVERNIGHT"})


def hours(now, form):
    """Trading hours in UTC in which it is open for the next hour, in an old or odd form."""
    days = [f"{now + n * datetime.timedelta(days=1):%Y%m%d}" for n in range(-2, 4)]
    if form == "old":
        # Up to an hour from now, and it began behind that time of the day before.
        start, end = now + datetime.timedelta(hours=2), now + datetime.timedelta(hours=1)
        return f"{end:%Y%m%d}:{start:%H%M}-{end:%H%M};{end + datetime.timedelta(days=1):%Y%m%d}:CLOSED"
    time = "000000" if form == "seconds" else "0000"
    entries = [f"{a}:{time}-{b}:{time}" for a, b in zip(days[1:], days[2:])]
    if form == "odd entry":
        return ";".join([f"{days[0]}:nonsense", *entries])
    if form == "words":
        return f"{days[0]}:Closed; " + " ;".join(entries)
    return ";".join(entries)


@pytest.mark.parametrize("form,zone", [
    ("old", "UTC"), ("odd entry", "GMT Standard Time"), ("words", "GMT+00:00"), ("seconds", "UTC")])
def test_hours_in_every_known_form_are_understood(lab, form, zone):
    text = hours(datetime.datetime.now(datetime.timezone.utc), form)
    run = Run(lab, {MNQ: ("MNQ", ["bid_ask"])}, faults={"hours": {MNQ: {"hours": text, "zone": zone}}}, up=True)
    status = run.wait_health("a live stream", lambda s: s["streams"].get(f"{MNQ}.bid_ask", {}).get("state") == "live")
    http = status["http"]
    body = subprocess.run(["curl", "-s", f"http://{http}/background/health"], capture_output=True, text=True).stdout
    assert '"market_status":"OPEN"' in body, body
    run.check()


# The wire


@pytest.mark.parametrize("faults", [
    {"chop": 7, "unknown_messages": True},
    {"localized": True, "extra_fields": True, "clock_offset": 86400 * 3, "connection_time": ""},
    {"connection_time": "20261127 03:40:00 \u4e2d\u56fd\u6807\u51c6\u65f6\u95f4", "history_pieces": 4},
], ids=["pieces and unknown messages", "localized, no time, a wrong clock", "foreign zone"])
def test_what_is_odd_on_the_wire_changes_no_tick(lab, faults):
    run = Run(lab, faults=faults)
    farm(run, 2103, "usbond")
    run.wait_ticks(20)
    assert run.gateway.status()["logins"] == 1
    # Which of two clocks is right nobody knows.
    status = run.wait_live()
    assert any("clock" in reason for reason in status["reasons"]) == ("clock_offset" in faults), status["reasons"]
    run.check()


POISONS = [{"price": "nan"}, {"time": ""}, {"time": "99999999999999999999"}, {"size": "1e400"}, {"mask": "x"}, {"fields": 3}]


def test_a_poisoned_tick_costs_itself(lab):
    run = Run(lab)
    stream = f"{MNQ}.last"
    for poison in POISONS:
        run.gateway.faults["poison_tick"] = {stream: poison}
        wait_for(f"{poison} on the socket", lambda: not run.gateway.faults["poison_tick"])
        run.wait_ticks(5)
    # More than the first has a gap, and history has what is missing there. Seconds with one that was kept as it came do not fit.
    wait_for("healed gaps", lambda: sum(s in ("healed", "subset") for s in run.gap_states()[stream]) >= 2)
    assert run.gateway.status()["logins"] == 1 and run.is_subscribed()
    run.stop()
    for report in run.reports():
        # What can't be read is left out; what can be written down as it came is no tick of the market. History tells it again as it
        # was: that tick goes into a gap of its second, a place away from the other.
        odd, beside = (report.invented, report.misplaced) if report.stream == stream else (0, 0)
        report.invented -= odd
        report.misplaced -= beside
        assert report.is_exact and beside <= odd <= len(POISONS), str(report)


def test_old_gateways_send_whole_sizes(lab):
    run = Run(lab, max_version=162)
    run.gateway.do("drop")
    run.wait_ticks()
    run.wait_healed(1)
    run.check()




def test_level_1_of_a_frozen_market_is_no_proof_of_life(lab):
    stream = f"{MNQ}.level1"
    run = Run(lab, {MNQ: ("MNQ", ["level1"])}, up=True, ready=False, faults={"market_data_type": 2})
    wait_for("frozen values", lambda: run.states().get(stream, {}).get("ticks", 0) >= 20)
    assert run.states()[stream]["state"] == "frozen" and run.states()[stream]["gap_open"]
    assert "Client Portal" in run.states()[stream]["reason"]
    # By the time of day at which this runs.
    run.wait_health("the judgement", lambda s: s["streams"][stream]["state"] in ("frozen", "closed"))
    # Nor do they show that the gateway has found its server again.
    run.gateway.do("notice", code=1100)
    wait_for("the loss", lambda: lab.control("connector", "status")["session"] == "degraded")
    before = run.states()[stream]["ticks"]
    wait_for("frozen values behind it", lambda: run.states().get(stream, {}).get("ticks", 0) >= before + 20)
    assert lab.control("connector", "status")["session"] == "degraded"
    run.gateway.do("frozen", type=1)
    wait_for("the link", lambda: lab.control("connector", "status")["session"] == "ready")
    run.wait_health("a live stream", lambda s: s["streams"][stream]["state"] == "live")
    wait_for("the gap's end", lambda: not run.states()[stream]["gap_open"])
    run.lab.settle()
    causes = [gap["cause"] for gap in run.gaps()["gaps"]]
    assert causes[0] == "frozen" and set(causes) <= {"frozen", "tws 1100"}, causes


def test_another_unit_of_sizes_and_another_symbol_are_recorded_and_said(lab):
    run = Run(lab, {AAPL: ("AAPL", ["bid_ask", "last"])})
    definition = lab.state / "definitions" / f"{AAPL}.json"
    wait_for("the first definition", definition.exists)
    run.gateway.faults["size_factor"] = {AAPL: 100}
    run.gateway.faults["symbol"] = {AAPL: "AAPL.OLD"}
    run.gateway.do("restart")
    run.wait_ticks()
    wait_for("the change", lambda: "AAPL.OLD" in run.log())
    wait_for("the new definition", lambda: "AAPL.OLD" in definition.read_text())
    run.wait_healed(1)
    # Whoever asks for the state of the streams meets it there.
    assert all("symbol was AAPL, and is AAPL.OLD" in state["reason"] for state in run.states().values())
    run.check()
    lab.ib_stream("export", "--format", "csv", "--root", lab.root, "--out", lab.folder / "marked")
    for name in run.names:
        assert "definition_changed" in (lab.folder / "marked" / f"{name}.csv").read_text()
        assert "-- definition_changed symbol" in lab.ib_stream("cat", name, "--root", lab.root)
        assert "definition_changed" in lab.ib_stream("explain", name, "10m", "--around", "10m", "--root", lab.root, check=None)
