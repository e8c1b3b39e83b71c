"""Two things break at once: what `make chaos` met at random, here on purpose, one pair after the other."""

import os
import signal
import time

from ibstream import check_numbering, wait_for
from test_kills import EIGHT, alive, next_durable_tick, pid_of, system

# Back with a durable tick after two faults at once: a hang is noticed within 5 s and mended within 10; a busy machine gets
# some more.
BACK_SECONDS = 45


def hurt(lab, *pairs):
    """Sends the signals, as close together as can be; returns {service: pid}."""
    pids = {service: wait_for(f"a living {service}", lambda s=service: (p := pid_of(lab, s)) and alive(p) and p)
            for service, _ in pairs}
    for service, number in pairs:
        os.kill(pids[service], number)
    return pids


def replaced(lab, pids):
    for service, pid in pids.items():
        wait_for(f"another {service}", lambda s=service, p=pid: (q := pid_of(lab, s)) and q != p and alive(q))
        assert not alive(pid), f"the old {service} is still there"


def test_two_faults_at_once_cost_no_number_and_leave_nothing_behind(lab):
    sim, up, config = system(lab)

    def recovers(what, pids):
        since = time.time_ns() + 50_000_000
        took = next_durable_tick(lab, since, BACK_SECONDS)
        replaced(lab, pids)
        lab.settle()
        print(f"{what}: a durable tick after {took:.1f} s")

    kill, stop = signal.SIGKILL, signal.SIGSTOP
    recovers("recorder killed while the connector restarts",
             hurt(lab, ("connector", kill), ("recorder", kill)))
    # A new watchdog adopts a recorder that hangs, and must find that out by itself.
    recovers("watchdog killed while the recorder is stopped",
             hurt(lab, ("recorder", stop), ("watchdog", kill)))
    # The recorder comes back to a connector of a later epoch and needs the tail of the one before.
    recovers("connector killed while the recorder is stopped",
             hurt(lab, ("recorder", stop), ("connector", kill)))
    pids = hurt(lab, ("connector", stop))
    assert lab.simulator_says("drop reset").startswith("ok")
    recovers("gateway gone while the connector is stopped", pids)
    recovers("all three killed", hurt(lab, ("watchdog", kill), ("connector", kill), ("recorder", kill)))

    lab.settle()
    last = {s: pid_of(lab, s) for s in ("connector", "recorder", "watchdog")}
    assert up.stop() == 0, up.stderr()
    assert not any(alive(pid) for pid in last.values())
    for con_id, (_, kinds) in EIGHT.items():
        for kind in kinds:
            assert not check_numbering(lab.records(f"{con_id}.{kind}")), f"{con_id}.{kind}: the journal had it all"
    lab.ib_stream("verify", "--root", lab.root)
