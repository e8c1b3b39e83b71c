"""The services under what the systemd units allow them: the units' own filter of system calls, put on by the kernel."""

import ctypes
import ctypes.util
import errno
import os
import re
import subprocess

import pytest

from ibstream import REPOSITORY, SANITIZED, wait_for

STREAMS = {711280073: ("MNQ", ["bid_ask", "last"])}
UNITS = REPOSITORY / "systemd"

pytestmark = pytest.mark.skipif(bool(SANITIZED), reason="a sanitizer needs calls of its own")


def group(name, seen=()):
    """The system calls of a group such as @system-service, as systemd has it."""
    assert name not in seen
    text = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True).stdout
    calls = set()
    for line in text.splitlines()[1:]:
        word = line.split("#")[0].strip()
        if word.startswith("@"):
            calls |= group(word, (*seen, name))
        elif word:
            calls.add(word)
    return calls


def allowed(unit):
    """What the lines SystemCallFilter= of a unit leave: the first makes a list, `~` takes away, others add."""
    calls = None
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit.read_text(), re.M):
        words = line.lstrip("~").split()
        named = set().union(*(group(word) if word.startswith("@") else {word} for word in words))
        if line.startswith("~"):
            assert calls is not None, "the list begins with what is allowed"
            calls -= named
        else:
            calls = named if calls is None else calls | named
    assert calls
    return calls


def filtered(calls):
    """Puts the filter on the calling process, as systemd does it before it starts a service: for `preexec_fn`."""
    library = ctypes.CDLL(ctypes.util.find_library("seccomp"))
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_rule_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint]
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    numbers = [library.seccomp_syscall_resolve_name(name.encode()) for name in sorted(calls)]

    def put_on():
        refuse, allow = 0x00050000 | errno.EPERM, 0x7FFF0000
        rules = library.seccomp_init(refuse)
        for number in numbers:
            # A name that this machine does not have has a negative number.
            if number >= 0 and library.seccomp_rule_add(rules, allow, number, 0) != 0:
                os._exit(99)
        if library.seccomp_load(rules) != 0:
            os._exit(98)

    return put_on


def test_each_service_works_under_its_units_filter(lab):
    """The whole system, each service behind the filter of its own unit: ticks become durable, health is green."""
    sim = lab.simulator("--rate", "500")
    config = lab.configure(sim.port, STREAMS)
    services = {}
    for name in ["ib-recorder", "ib-connector"]:
        put_on = filtered(allowed(UNITS / f"{name}.service"))
        services[name] = lab.start(name, "--config", config, preexec_fn=put_on)
    lab.settle()
    put_on = filtered(allowed(UNITS / "ib-watchdog.service"))
    services["ib-watchdog"] = lab.start("ib-watchdog", "--config", config, preexec_fn=put_on)
    wait_for("green health", lambda: lab.try_status(config) == 0)
    for name, process in services.items():
        assert process.running(), f"{name}: {process.stderr()}"
    # The watchdog adopted the two and does not end them with itself.
    assert services["ib-watchdog"].stop() == 0
    assert services["ib-connector"].stop() == 0
    assert services["ib-recorder"].stop() == 0


def test_a_forbidden_call_ends_the_service_before_it_is_ready(lab):
    """Without the line for the messaging library's threads: no READY=1 of a service that is about to die."""
    calls = allowed(UNITS / "ib-recorder.service") - {"sched_setscheduler"}
    config = lab.configure(1, STREAMS)
    process = lab.start("ib-recorder", "--config", config, preexec_fn=filtered(calls))
    assert process.wait() < 0, "libzmq aborts"
    assert "started" not in process.stderr()
