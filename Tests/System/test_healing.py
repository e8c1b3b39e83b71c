"""Ticks that the connector missed come from the gateway's history: each once, in order, unaltered, whatever was killed."""

import json
import shutil
import signal
import time

import numpy as np
import pytest
import zmq

from ibstream import FULL, PATIENCE, body_u64, check_numbering, epochs_begun, keys, lost_ranges, wait_for
from test_pipeline import COMMON, rows

STREAMS = {
    711280073: ("MNQ", ["bid_ask", "last"]),
    265598: ("AAPL", ["bid_ask", "last"]),
    12087792: ("EUR.USD", ["bid_ask", "mid_point"]),
}
MORE, MARKER = 254, 255
HEAL, HEAL_END = 4, 5
HEALED = 1 << 6
CONDITIONS = COMMON.index("conditions")
# What the gateway of these tests allows; the spacing of requests is tested by itself.
FAST = "heal:\n  requests_per_10min: 6000\n  identical: 0s\n  per_contract_2s: 100\n"


class System:
    """Simulator, recorder and connector of one test, with the market's whole history in a file."""

    def __init__(self, lab, *simulator, streams=STREAMS, more=FAST, rate=600):
        self.lab = lab
        self.streams = streams
        self.history_path = lab.folder / "history.csv"
        self.sim = lab.simulator(
            "--rate", str(rate), "--seed", "5", "--warm-up", "2", "--history", self.history_path, *simulator)
        self.config = lab.configure(self.sim.port, streams, more=more)
        self.recorder = lab.recorder(self.config)
        self.connector = lab.connector(self.config)
        self.wait_ticks(20)

    @property
    def names(self):
        return [f"{con_id}.{kind}" for con_id, (_, kinds) in self.streams.items() for kind in kinds]

    def stream_states(self):
        return self.lab.control("connector", "streams").get("streams", {})

    def wait_ticks(self, count):
        """Waits until every stream has brought so many ticks more."""
        wait_for("the connector", lambda: (self.lab.run / "connector.sock").exists())
        before = {name: state["ticks"] for name, state in self.stream_states().items()}
        wait_for(f"{count} ticks of every stream", lambda: all(
            name in states and states[name]["ticks"] >= before.get(name, 0) + count and not states[name]["gap_open"]
            for states in [self.stream_states()] for name in self.names))

    def kill(self, service):
        process = getattr(self, service)
        process.send(signal.SIGKILL)
        process.wait()

    def start(self, service):
        setattr(self, service, getattr(self.lab, service)(self.config))
        if service == "connector":
            wait_for("its ticks", lambda: self.connector.running() and self._has_ticks())

    def _has_ticks(self):
        try:
            states = self.stream_states()
        except AssertionError:
            return False
        return states and all(state["ticks"] > 0 for state in states.values())

    def gaps(self, stream):
        """The gaps of a stream, from the recorder."""
        dealer = self.lab.zmq.socket(zmq.DEALER)
        dealer.set(zmq.LINGER, 0)
        dealer.connect(f"ipc://{self.lab.run}/history.sock")
        try:
            question = json.dumps({"id": 1, "stream": stream, "gaps": True}).encode()
            dealer.send_multipart([b"request", b"1", question])
            assert dealer.poll(PATIENCE * 1000), "no answer to the question for gaps"
            kind, _, body = dealer.recv_multipart()
            assert kind == b"gaps", body
            return json.loads(body)["gaps"]
        finally:
            dealer.close()

    def wait_healed(self, least=1, states=("healed",), seconds=PATIENCE):
        """Waits until every stream has at least so many gaps, all of them in these states."""
        def settled():
            gaps = {name: self.gaps(name) for name in self.names}
            return gaps if all(
                len(gaps[name]) >= least and all(gap["state"] in states for gap in gaps[name])
                for name in self.names) else None

        try:
            return wait_for("all gaps healed", settled, seconds, every=0.2)
        except AssertionError:
            for name in self.names:
                print(name, json.dumps(self.gaps(name)))
            print(self.lab.control("connector", "heals"))
            print(self.connector.stderr()[-3000:])
            raise

    def check(self):
        """Stops all and holds the recording against the market's history: a piece of it, tick by tick."""
        self.lab.settle()
        assert self.connector.stop() == 0, self.connector.stderr()
        assert self.recorder.stop() == 0, self.recorder.stderr()
        assert self.sim.stop() == 0, self.sim.stderr()
        self.lab.ib_stream("verify", "--root", self.lab.root)
        market = {}
        for row in rows(self.history_path):
            market.setdefault(row[0], []).append(row)
        for name in self.names:
            check_numbering(self.lab.records(name))
            self.compare(name, self.in_time_order(name), market[name])

    def in_time_order(self, name):
        """The recorded ticks as rows; what was healed stands where its gap is."""
        records = self.lab.records(name)
        records = records[records["kind"] != MORE]
        out = self.lab.folder / "ticks.csv"
        out.write_text(self.lab.ib_stream(
            "cat", name, "--root", self.lab.root, "--format", "csv", "--order", "arrival"))
        arrived = rows(out)
        assert len(arrived) == len(records)
        events = np.where(records["kind"] == MARKER, (body_u64(records, 0) >> 8) & 0xFF, 0).tolist()
        refs, own = body_u64(records, 1).tolist(), keys(records).tolist()
        # A run that was torn has no end; what comes behind it is live.
        from_history = ((records["flags"] & HEALED) != 0).tolist()
        healed, gap = {}, None
        for index, event in enumerate(events):
            if event == HEAL:
                gap = healed.setdefault(refs[index], [])
            elif event == HEAL_END:
                gap = None
            elif event == 0 and gap is not None and from_history[index]:
                gap.append(index)
        moved = {index for run in healed.values() for index in run}
        order = []
        for index, event in enumerate(events):
            order += healed.get(own[index], [])
            if event == 0 and index not in moved:
                order.append(index)
        return [arrived[index] for index in order]

    @staticmethod
    def compare(name, got, market):
        # Fewer could stand at several places. Every test waits for more of each stream, however quiet its minute is.
        assert len(got) >= 30
        start = next(
            (i for i in range(len(market) - len(got) + 1) if market[i:i + 30] == got[:30]), None)
        assert start is not None, f"{name}: begins with what the market did not do: {got[:3]}"
        for index, (a, b) in enumerate(zip(got, market[start:])):
            assert a == b, f"{name}: row {index} of {len(got)}: {got[index:index + 3]} != {market[start + index:][:3]}"


def test_every_interruption_is_healed_and_nothing_repeated(lab):
    system = System(lab)
    lab.simulator_says("drop")
    system.wait_ticks(20)
    lab.simulator_says("drop reset")
    system.wait_ticks(20)
    # The link between gateway and broker is lost and comes back, with and without its subscriptions.
    lab.simulator_says("error 1100")
    time.sleep(1)
    lab.simulator_says("error 1102")
    system.wait_ticks(20)
    lab.simulator_says("error 1100")
    lab.simulator_says("error 1101")
    system.wait_ticks(20)
    # A market-data farm blinks.
    for farm in ("usfuture", "usfarm", "cashfarm"):
        lab.simulator_says(f"error 2103 {farm}")
    time.sleep(0.5)
    for farm in ("usfuture", "usfarm", "cashfarm"):
        lab.simulator_says(f"error 2104 {farm}")
    system.wait_ticks(20)
    # A stream is dead without a word; the operator subscribes it anew.
    lab.simulator_says("mute all")
    time.sleep(1)
    lab.control("connector", "resubscribe")
    time.sleep(0.5)
    lab.simulator_says("unmute all")
    system.wait_ticks(20)
    system.wait_healed(5)
    status = lab.control("connector", "status")
    assert status["healed_ticks"] > 0 and status["heal_runs"] >= 30
    assert lab.control("connector", "heals") == {"heals": []}
    system.check()


@pytest.mark.skipif(not FULL, reason="takes a minute of waiting: with IB_STREAM_FULL=1; the unit tests have its decisions")
def test_a_stalled_gateway_is_healed(lab):
    system = System(lab, rate=300)
    lab.simulator_says("stall")
    wait_for("the end of the session", lambda: "TWS disconnection detected" in system.connector.stderr())
    lab.simulator_says("resume")
    system.wait_ticks(20)
    system.wait_healed()
    system.check()


def test_a_gap_is_healed_soon_after_it_was_closed(lab):
    system = System(lab, rate=300)
    for count in range(1, 4):
        lab.simulator_says("drop")
        # The healer is told of the tick that closes a gap before the files know it; it must not look too soon and sleep then.
        system.wait_ticks(5)
        system.wait_healed(count, seconds=25)
    assert system.connector.stderr().count("gap healed") == 3 * len(system.names)
    system.check()


def test_killed_connectors_heal_where_the_last_one_ended(lab):
    system = System(lab, rate=2000)
    for _ in range(3):
        system.kill("connector")
        system.start("connector")
        system.wait_ticks(5)
    system.wait_healed(3)
    system.check()


def test_a_heal_run_survives_the_death_of_everybody(lab):
    # So few requests that no connector is through with the gaps before it is killed.
    system = System(lab, rate=6000, more=FAST.replace("per_contract_2s: 100", "per_contract_2s: 3"))
    system.kill("connector")
    time.sleep(5)
    for victim in ("connector", "recorder", "connector"):
        if not system.connector.running():
            system.start("connector")
        wait_for("a heal run", lambda: lab.control("connector", "status").get("healed_ticks", 0) > 0, every=0.005)
        system.kill(victim)
        if victim == "recorder":
            system.start("recorder")
            system.kill("connector")
    system.start("connector")
    system.wait_ticks(20)
    system.wait_healed(1)
    system.check()


@pytest.mark.skipif(not FULL, reason="takes a minute of waiting: with IB_STREAM_FULL=1; the unit tests have its decisions")
def test_late_and_endless_history_is_not_believed_too_soon(lab):
    system = System(lab, rate=300)
    lab.simulator_says("history delay 4")
    lab.simulator_says("drop")
    system.wait_ticks(20)
    system.wait_healed()
    # Answers that never advance: asked for a few times, not for ever.
    lab.simulator_says("history repeat")
    lab.simulator_says("drop")
    lab.simulator_says("history repeat")
    system.wait_ticks(20)
    time.sleep(3)
    asked = int(lab.simulator_says("status").split("history=")[1].split()[0])
    time.sleep(3)
    assert int(lab.simulator_says("status").split("history=")[1].split()[0]) - asked < 30
    lab.simulator_says("history ok")
    system.wait_healed(2)
    system.check()


def history_requests(lab):
    """(answered or refused, limits broken) as the simulator counts them."""
    status = dict(word.split("=") for word in lab.simulator_says("status").split() if "=" in word)
    return int(status["history"]), int(status["violations"])


def estimates(lab):
    """What `ib-stream gaps` says of the pending gaps: seconds by stream and key."""
    text = lab.ib_stream("gaps", "--json", "--root", lab.root, check=None)
    return {(gap["stream"], gap["key"]): gap["eta_seconds"] for gap in json.loads(text)["gaps"] if gap["state"] == "pending"}


def test_what_waits_for_an_answer_says_how_long(lab):
    system = System(lab, rate=300)

    def outage():
        lab.simulator_says("error 1100")
        time.sleep(0.3)
        lab.simulator_says("error 1102")
        system.wait_ticks(20)

    def told(least):
        """Every gap has an estimate, and none that the request in flight makes a lie."""
        found = estimates(lab)
        return found if len(found) >= least and all(eta is not None and eta > 5 for eta in found.values()) else None

    lab.simulator_says("history silent")
    outage()
    first = wait_for("estimates", lambda: told(len(system.names)), every=0.2)
    began = time.monotonic()

    def falls():
        """Each estimate is two seconds less; never much more than the time that has passed."""
        now = estimates(lab)
        passed = time.monotonic() - began
        assert all(first[gap] - now[gap] <= passed + 3 for gap in first), (first, now, passed)
        return all(first[gap] - now[gap] >= 2 for gap in first)

    wait_for("estimates that fall as time passes", falls, every=0.5)
    # Gaps that are closed while the answer is waited for are in the queue too.
    outage()
    wait_for("estimates of the newer gaps", lambda: told(len(first) + len(system.names)), 20, every=0.2)
    assert [heal["state"] for heal in lab.control("connector", "heals")["heals"]].count("asking") == 1
    if FULL:
        # The swallowed request is over after a minute; when it will succeed, nobody can tell.
        wait_for("a retry", lambda: any(
            heal["state"] == "retrying" and heal["eta_seconds"] is None
            for heal in lab.control("connector", "heals")["heals"]), 70, every=0.2)
        lab.simulator_says("history ok")
        system.wait_healed(2, seconds=150)
        system.check()


def test_the_default_pace_is_kept_and_what_waits_says_how_long(lab):
    quotes = {265598: ("AAPL", ["bid_ask"]), 711280073: ("MNQ", ["bid_ask"]), 620731015: ("ES", ["bid_ask"])}
    system = System(lab, "--enforce", streams=quotes, more="", rate=3600)
    outages, heals = 0, []

    def at_rest():
        """What waits for the ten minutes' budget alone; [] when every gap is healed; None before either."""
        gaps = [gap for name in system.names for gap in system.gaps(name)]
        if len(gaps) < outages * len(system.names):
            return None
        if all(gap["state"] == "healed" for gap in gaps):
            return []
        waiting = lab.control("connector", "heals")["heals"]
        # The gateway's shorter limits pace too, for seconds.
        alone = all(heal["state"] == "paced" and heal["eta_seconds"] > 60 for heal in waiting)
        return waiting if waiting and alone else None

    # The budget is 60 in ten minutes, and each request counts twice. 16 seconds are up to 16 requests a stream, and
    # fewer for a stream that has a quiet minute: outages follow until one does not fit any more.
    while not heals:
        outages += 1
        assert outages <= 6, history_requests(lab)
        lab.simulator_says("refuse")
        lab.simulator_says("drop")
        time.sleep(16)
        lab.simulator_says("accept")
        system.wait_ticks(20)
        heals, = wait_for(
            "all healed, or the end of the budget", lambda: [at for at in [at_rest()] if at is not None], every=0.2)
    pending = {name: gap for name in system.names for gap in system.gaps(name) if gap["state"] == "pending"}
    assert {heal["stream"]: heal["gap"] for heal in heals} == {name: gap["key"] for name, gap in pending.items()}
    assert all(300 < heal["eta_seconds"] < 3_600 for heal in heals), heals
    # The command tells the same, and it is time that passes.
    first = estimates(lab)
    assert first.keys() == {(name, gap["key"]) for name, gap in pending.items()}
    assert all(300 < eta < 3_600 for eta in first.values()), first
    wait_for("estimates that fall as time passes", lambda: all(
        300 < now[gap] < first[gap] for now in [estimates(lab)] for gap in first), every=0.5)
    # The gateway's limit of requests for one contract in two seconds is kept too.
    asked, broken = history_requests(lab)
    assert 25 <= asked <= 30 and broken == 0


def test_a_contract_without_permission_is_said_once_and_left_partly(lab):
    system = System(lab, streams={265598: ("AAPL", ["bid_ask", "last"])}, rate=300)
    lab.simulator_says("history error 10187 Failed to request historical ticks:No market data permissions")
    for _ in range(2):
        lab.simulator_says("error 1100")
        time.sleep(0.3)
        lab.simulator_says("error 1102")
        system.wait_ticks(20)
    system.wait_healed(2, states=("partly",))
    assert system.connector.stderr().count("no history for a contract") == 1
    assert history_requests(lab)[0] == 1, "the contract is not asked for again soon"
    # Markers are not written again and again.
    assert all(len(gap["runs"]) == 1 for name in system.names for gap in system.gaps(name))


def test_the_seam_behind_a_subscriptions_history_is_asked_for(lab):
    system = System(lab, streams={265598: ("AAPL", ["bid_ask"])}, rate=200)
    # The past ticks in front of a subscription end a moment before the live ones begin, in the same second or the one before.
    lab.simulator_says("history seam 60")
    for _ in range(4):
        lab.simulator_says("drop")
        system.wait_ticks(20)
    system.wait_healed(4)
    system.check()


def test_what_a_subscription_brought_is_kept_where_history_is_refused(lab):
    # So few that 1,000 past ticks reach back beyond the gap, also when the reconnect takes long.
    system = System(lab, streams={265598: ("AAPL", ["bid_ask"])}, rate=40)
    lab.simulator_says("history error 10187 Failed to request historical ticks:No market data permissions")
    lab.simulator_says("refuse")
    lab.simulator_says("drop")
    time.sleep(3)
    lab.simulator_says("accept")
    system.wait_ticks(20)
    gaps = system.wait_healed(states=("partly",))
    assert sum(run[2] for run in gaps[system.names[0]][0]["runs"]) > 20, gaps


TRADES = {265598: ("AAPL", ["last", "all_last"]), 711280073: ("MNQ", ["last"])}


def test_unreported_trades_that_history_has_are_stored_once(lab):
    system = System(lab, "--last-unreported", streams=TRADES, rate=400)
    lab.simulator_says("history trades all")
    for command in ("drop", "error 1100", "drop reset"):
        lab.simulator_says(command)
        if command == "error 1100":
            time.sleep(0.5)
            lab.simulator_says("error 1102")
        system.wait_ticks(20)
    assert system.connector.stop() == 0
    time.sleep(1)
    system.start("connector")
    system.wait_ticks(20)
    system.wait_healed(4, states=("healed", "subset"))
    system.check()


def test_unreported_trades_that_history_leaves_out_are_kept_where_they_came_live(lab):
    system = System(lab, "--last-unreported", streams=TRADES, rate=400)
    for command in ("error 1100", "error 1100"):
        lab.simulator_says(command)
        time.sleep(0.5)
        lab.simulator_says("error 1102")
        system.wait_ticks(20)
    gaps = system.wait_healed(2, states=("healed", "subset"))
    # What a history lacks that had to have it is not called healed.
    assert all(gap["state"] == "subset" for gap in gaps["265598.all_last"])

    def compare(name, got, market):
        start = next(i for i in range(len(market)) if market[i:i + 5] == got[:5])
        at, left = start, []
        for row in market[start:]:
            if at - start < len(got) and got[at - start] == row:
                at += 1
            elif at - start < len(got):
                left.append(row)
        assert at - start == len(got), f"{name}: {got[at - start:at - start + 3]} is repeated or altered"
        unreported = {"I", "TI", "F I", "W", "B"}
        assert all(row[CONDITIONS].strip() in unreported for row in left), f"{name}: reported trades are missing: {left[:3]}"

    system.compare = compare
    system.check()


def test_pages_that_are_told_again_are_stored_once(lab):
    system = System(lab, rate=2000)
    lab.simulator_says("history pages again")
    for _ in range(2):
        lab.simulator_says("refuse")
        lab.simulator_says("drop")
        time.sleep(3)
        lab.simulator_says("accept")
        system.wait_ticks(20)
    # A second that two answers tell differently is named, though all of it may be there.
    system.wait_healed(2, states=("healed", "partly", "edge_unreconciled"))
    system.check()


def test_history_that_ends_with_the_trading_day_is_had_of_the_next_day_too(lab):
    system = System(lab, streams={265598: ("AAPL", ["bid_ask"])}, rate=300)
    lab.simulator_says("refuse")
    lab.simulator_says(f"history day {int(time.time()) + 3}")
    lab.simulator_says("drop")
    time.sleep(6)
    lab.simulator_says("accept")
    system.wait_ticks(20)
    system.wait_healed(seconds=60)
    system.check()


def test_history_that_comes_after_a_refusal_is_taken(lab):
    system = System(lab, streams={265598: ("AAPL", ["bid_ask", "last"])}, rate=300)
    lab.simulator_says(
        "history notice 2188 Up-to-the-second historical data requires additional subscription for the API.")
    for _ in range(2):
        lab.simulator_says("error 1100")
        time.sleep(0.3)
        lab.simulator_says("error 1102")
        system.wait_ticks(20)
    system.wait_healed(2)
    assert system.connector.stderr().count("history came although the gateway had said no") == 1
    assert "no history for a contract" not in system.connector.stderr()
    system.check()


def lost_gaps(system):
    """The gaps that hold lost keys, by stream, as the operator's command tells them; what it names are the lost records."""
    text = system.lab.ib_stream("gaps", "--all", "--json", "--config", system.config)
    found = {name: [] for name in system.names}
    for gap in json.loads(text)["gaps"]:
        if gap["lost"] is not None:
            found[gap["stream"]].append(gap)
    for name, gaps in found.items():
        ranges = lost_ranges(system.lab.records(name))
        assert all(any(gap["lost"][0] <= first and last <= gap["lost"][1] for gap in gaps) for first, last in ranges)
        assert all(any(first == gap["lost"][0] for first, _ in ranges) for gap in gaps), (gaps, ranges)
    return found


def wait_unrecorded(system, count):
    """Waits until every stream has brought about so many ticks more, which no recorder takes.

    The connector tells its counts a few times a second: some of them may have come while there was a recorder."""
    before = {name: state["ticks"] for name, state in system.stream_states().items()}
    wait_for("ticks that nobody records", lambda: all(
        state["ticks"] > before[name] + count for name, state in system.stream_states().items()))


def test_what_the_journal_lost_with_its_connector_is_healed(lab):
    system = System(lab, rate=900)
    # The recorder is away, then the connector dies and its journal with it: the tail of an epoch is gone.
    system.kill("recorder")
    wait_unrecorded(system, 30)
    system.kill("connector")
    shutil.rmtree(lab.run / "journal")
    system.recorder = lab.recorder(system.config)
    system.start("connector")
    system.wait_ticks(20)
    system.wait_healed()
    for name, gaps in lost_gaps(system).items():
        [gap] = gaps
        assert gap["state"] == "healed" and gap["cause"] == "lost: journal gone, restart", gap
        # Nobody knows how far the epoch went: all that could have been of it is lost.
        assert gap["before"]["key"] + 1 == gap["lost"][0] and gap["lost"][1] & 0xFFFFFFFF == 0xFFFFFFFF, gap
        assert gap["healed"] > 0, gap
    system.check()


def test_an_epochs_tail_that_left_the_journal_is_lost_up_to_where_the_next_one_begins(lab):
    system = System(lab, rate=900)
    system.kill("recorder")
    wait_unrecorded(system, 30)
    epoch, numbered = lab.numbering()
    system.kill("connector")
    system.start("connector")
    # As if the ring had gone round: an epoch begins in a file of its own, which says how far the streams were numbered before.
    for path in sorted((lab.run / "journal").glob("*.log"), key=lambda path: int(path.stem))[:-1]:
        path.unlink()
    system.recorder = lab.recorder(system.config)
    system.wait_ticks(20)
    system.wait_healed()
    for name, gaps in lost_gaps(system).items():
        [gap] = gaps
        first, last = gap["lost"]
        assert gap["state"] == "healed" and gap["cause"] == "lost: journal gone, restart", gap
        assert gap["before"]["key"] < first and epoch << 32 | numbered[name] <= last < epoch + 1 << 32, gap
        begun = epochs_begun(lab.records(name))
        assert begun[lab.numbering()[0] << 32 | 1] == last and lost_ranges(lab.records(name)) == [(first, last)]
        assert gap["healed"] >= 30, gap
    system.check()


def test_a_recording_that_begins_in_the_middle_of_an_epoch_is_healed_from_its_beginning(lab):
    system = System(lab, rate=900)
    system.kill("recorder")
    shutil.rmtree(lab.state)
    shutil.rmtree(lab.run / "journal")
    wait_for("another journal", lambda: (lab.run / "journal").exists() and any((lab.run / "journal").glob("*.log")))
    wait_unrecorded(system, 20)
    system.start("recorder")
    system.wait_healed()
    epoch = lab.numbering()[0]
    for name, gaps in lost_gaps(system).items():
        [gap] = gaps
        first, last = gap["lost"]
        assert gap["state"] == "healed" and gap["before"] is None and first == epoch << 32 | 1, gap
        # When it was written down says nothing of when the keys were numbered; but for two markers all were ticks.
        assert gap["from"] == epoch * 10**9 and gap["healed"] >= last - first - 1, gap
    system.check()


@pytest.mark.parametrize("journal", ["wiped", pytest.param("overrun", marks=pytest.mark.skipif(
    not FULL, reason="half a million ticks: with IB_STREAM_FULL=1; the wiped journal ends in the same lost records"))])
def test_what_a_living_connectors_journal_lost_is_healed(lab, journal):
    # The smallest journal holds half a million records.
    system = System(
        lab, rate=900 if journal == "wiped" else 20_000, more=FAST + "connector:\n  journal_size: 32MiB\n")
    epoch, recorded = lab.settle()
    system.kill("recorder")
    if journal == "wiped":
        wait_unrecorded(system, 100)
        shutil.rmtree(lab.run / "journal")
        wait_for("another journal", lambda: (lab.run / "journal").exists() and any((lab.run / "journal").glob("*.log")))
    else:
        ticks = sum(recorded.values())
        wait_for("more than the journal holds", lambda: sum(lab.numbering()[1].values()) > ticks + 700_000, 120, every=1)
    # Behind what is lost there is something that the journal has.
    wait_unrecorded(system, 20)
    gone = lab.numbering()[1]
    system.start("recorder")
    system.wait_healed(seconds=2 * PATIENCE)
    for name, gaps in lost_gaps(system).items():
        [gap] = gaps
        assert gap["state"] == "healed" and gap["cause"] == "lost: journal gone", gap
        # The stream went on without an interruption of its own: the gap is what was lost, and nothing more.
        first, last = gap["lost"]
        assert gap["before"]["key"] + 1 == first >= (epoch << 32 | recorded[name]) + 1, gap
        assert gap["after"]["key"] == last + 1 and last < epoch << 32 | gone[name], gap
        # Nothing but ticks was lost, and each of them came from history.
        assert gap["healed"] == last - first + 1 > 0, gap
        assert lost_ranges(lab.records(name)) == [(first, last)]
    assert lab.numbering()[0] == epoch, "the connector is the one that lost its journal"
    system.check()
