"""What a gateway does not answer, answers late, or says twice: nothing is lost, and nothing waits for it for ever."""

import time

import pytest

from against_adversary import AAPL, CFD, MNQ, Run, compare
from ibstream import FULL, wait_for


# Definitions


@pytest.mark.parametrize("faults", [
    {"definition_unanswered": AAPL}, {"definition_end_missing": AAPL}, {"unanswered": [9]}], ids=["one", "its end", "any"])
def test_a_definition_that_does_not_come_holds_its_stream_up_for_seconds(lab, faults):
    """Nobody has said at which exchange the contract is: only its definition tells."""
    run = Run(lab, {AAPL: ("AAPL", ["bid_ask", "last"]), MNQ: ("MNQ", ["last"])}, faults=faults, ready=False,
              exchanges={MNQ: "CME"})
    run.wait_ticks(5, seconds=30)
    assert run.gateway.status()["logins"] == 1
    run.check()


# Accounts


def test_a_paper_account_in_the_place_of_a_live_one_is_refused_and_named(lab):
    run = Run(lab, faults={"accounts": "U1234567"}, up=True)
    run.gateway.faults["accounts"] = "DU1234567"
    run.gateway.do("drop")
    run.wait_health("the account", lambda s: s["health"] == "down" and any(
        "paper account must not take the place" in reason for reason in s["reasons"]))
    assert run.gateway.status()["subscriptions"] == []
    run.gateway.faults["accounts"] = "U1234567"
    run.wait_ticks()
    run.wait_healed(1)
    run.check()


# The clock


def test_a_gateway_that_does_not_tell_the_time_is_no_silent_one(lab):
    run = Run(lab, faults={"clock_silent": True})
    run.gateway.do("drop")
    run.wait_ticks()
    run.wait_healed(1)
    assert run.gateway.status()["logins"] == 2
    run.check()


def test_live_ticks_whose_time_lags_are_recorded_as_they_come(lab):
    stream = f"{MNQ}.last"
    run = Run(lab, faults={"time_backwards": {stream: 3}})
    run.wait_ticks(20)
    run.gateway.faults.clear("time_backwards")
    run.wait_ticks(20)
    run.gateway.faults["time_backwards"] = {stream: 3600}
    run.wait_ticks(5)
    run.stop()
    for report in run.reports():
        # The comparison goes by time, in which these are out of order.
        assert (report.missing, report.repeated, report.altered, report.invented) == (0, 0, 0, 0), str(report)


# Live ticks


def test_ticks_that_are_sent_again_are_recorded_again_and_hide_nothing(lab):
    """Equal ticks can be true: nobody can tell them from those."""
    run = Run(lab)
    run.wait_ticks(20)
    run.gateway.do("pause")
    for name in run.names:
        assert run.gateway.do("repeat_last_ticks", stream=name, count=3) is None
    run.gateway.do("go")
    run.wait_ticks(20)
    run.gateway.do("drop")
    run.wait_ticks()
    run.wait_healed(1)
    run.stop()
    for report in run.reports():
        assert report.repeated == 3, str(report)
        report.repeated = report.misplaced = 0
        assert report.is_exact, str(report)


# History


def test_history_that_is_empty_at_first_is_asked_for_again(lab):
    run = Run(lab, faults={"history_empty_first": True, "past_ticks_missing": True})
    run.gateway.do("drop")
    run.wait_ticks()
    run.wait_healed(1)
    run.check()


def test_history_that_answers_late_is_waited_for(lab):
    run = Run(lab, faults={"history_delay": 4, "history_pieces": 3, "past_ticks_missing": True})
    run.gateway.do("drop")
    run.wait_ticks()
    run.wait_healed(1, seconds=120)
    run.check()


ERRORS = [
    [162, "Historical Market Data Service error message:HMDS connection attempt failed. Connection timeout."],
    [366, "No historical data query found for ticker id"],
    # Data may follow it: such a request has its whole minute.
    [10999, "Something new under the sun"]]


@pytest.mark.parametrize("error", ERRORS if FULL else ERRORS[:1], ids=lambda error: str(error[0]))
def test_a_history_that_fails_for_a_while_is_had_later(lab, error):
    run = Run(lab, faults={"history_error": error, "past_ticks_missing": True})
    run.gateway.do("drop")
    run.wait_ticks()
    run.wait_requests(1, 96)
    run.gateway.faults.clear("history_error")
    run.wait_healed(1, seconds=150)
    run.check()


# Instruments


def test_what_was_missed_of_a_rerouted_contract_comes_from_its_underlyings_history(lab):
    name = f"{CFD}.bid_ask"
    run = Run(lab, {CFD: ("AAPL.CFD", ["bid_ask"]), MNQ: ("MNQ", ["last"])}, faults={"reroute": True}, ready=False,
              exchanges={CFD: "SMART"})
    wait_for("its ticks", lambda: run.ticks().get(name, 0) >= 20)
    before = run.ticks()[name]
    run.gateway.do("refuse")
    run.gateway.do("drop")
    time.sleep(2)
    run.gateway.do("accept")
    wait_for("its ticks again", lambda: run.ticks().get(name, 0) >= before + 20)
    run.wait_healed(1)
    run.stop()
    run.reports()
    report = compare.compare(name, compare.expectations(run.truth)[f"{AAPL}.bid_ask"],
                             compare.exported(lab.folder / "export" / f"{name}.csv"))
    assert report.is_exact and report.recorded >= 40, str(report)
