"""What health said during a run, and what stood in the log's files by then: seen from outside, judged afterwards.

Nothing that the product says of itself counts here but the status of `/health`, which is what is judged. A tick is *sent* when
the gateway's truth file has it: it was written to the socket of a client that had subscribed to it, whether the client read it,
had no time to, or lost it with the connection. Ticks that a gateway never writes (a stall, a dark farm, nobody subscribed) are
not. A tick is *durable* when its record stands in a part of the log, as docs/file-format.md describes it: that outlives every
process of ours. What was sent and lost on its way, with its connection or its reader, counts until the healed record is there, or
until a marker stands in the log that calls its gap a hole: from then on nobody takes the recording for whole. What is
never written stays out of this: that nothing is missing is another proof.

All times are such that a finding is certain: of a tick's sending the latest moment that is possible, of its writing the begin
of the last look at the files that did not find it, of a page the time from the question to the answer. So there is no
allowance for a slow machine.
"""

import json
import os
import struct
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import zmq

from ibstream import TICK, keys
from looks import Verdict
from truth import HEALED

POLL_SECONDS = 0.25
# Between two of the operator's commands, which read the whole recording.
VERDICT_SECONDS = 3
# No tick that the gateway sent may be without a durable copy for longer, while health is 200.
LATE_SECONDS = 7
BLOCK_BYTES = 32
SLOTS = (0, 512)
MORE, MARKER = 254, 255
RECORDS = 0  # the codec of a block of records


def durable_to(slots):
    """How much of a part its slots call durable; 0 without them."""
    try:
        data = slots.read_bytes()
    except FileNotFoundError:
        return 0
    found = [struct.unpack_from("<4sHHIIQ", data, at) for at in SLOTS if len(data) >= at + 24]
    return max((slot[5] for slot in found if slot[0] == b"IBTD"), default=0)


class Part:
    """One part of the log, read as it grows. Its file is kept open: it may be sealed and removed between two looks."""

    def __init__(self, path):
        self.file = os.open(path, os.O_RDONLY)
        self.slots = path.with_suffix(".durable")
        self.at = 0
        self.id = None
        # What stands in blocks that are not durable yet: (where the block ends, {stream: second of its newest live tick}).
        self.waiting = []

    def read(self):
        """The records of all blocks that are whole and were not there before, each with the place where its block ends."""
        found = []
        size = os.fstat(self.file).st_size
        while self.at + BLOCK_BYTES <= size:
            magic, _, codec, count, length, _, part, _ = struct.unpack("<4sHHIIQII", os.pread(self.file, BLOCK_BYTES, self.at))
            if magic != b"IBTB" or self.at + BLOCK_BYTES + length > size or part != (self.id or part):
                break
            if codec == RECORDS:
                records = np.frombuffer(os.pread(self.file, length, self.at + BLOCK_BYTES), TICK)
                # A block that is being written has its room already, and zeros there.
                if len(records) != count or not records["seq"].all():
                    break
                found.append((records, self.at + BLOCK_BYTES + length))
            self.id = part
            self.at += BLOCK_BYTES + length
        return found

    def became_durable(self):
        """[{stream: second}] of the blocks that are durable now and were not before."""
        end = durable_to(self.slots) if self.waiting else 0
        done = [seconds for at, seconds in self.waiting if at <= end]
        self.waiting = [waiting for waiting in self.waiting if waiting[0] > end]
        return done

    def is_over(self):
        return os.fstat(self.file).st_nlink == 0


class Witness:
    """Looks at the files of the log and of the gateway's truth, asks for `/health`, and runs `gaps` and `status`, each in a thread,
    until it is stopped."""

    def __init__(self, lab, truth):
        self.lab = lab
        self.truth = truth
        self.pages = []  # (when it was asked for, when it had answered, HTTP status, reasons)
        self.verdicts = []  # what `gaps --json` and `status --json` said: looks.Verdict
        self.sizes = []  # (when the truth file was looked at, its bytes then)
        self.looks = []  # when the log was looked at
        self.seen = {}  # stream: [(keys, begin of the last look that did not find them)]
        self.claims = {}  # stream: [(moment, second up to which it had durable live ticks then)], rising
        self.parts = {}
        self.over = threading.Event()
        self.failure = None
        self.threads = [threading.Thread(target=self.work, args=(what,), daemon=True) for what in (self.look, self.ask, self.tell)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        if self.over.is_set():
            return
        self.over.set()
        for thread in self.threads:
            thread.join()
        self.look()
        for part in self.parts.values():
            os.close(part.file)

    def work(self, what):
        try:
            while not self.over.is_set():
                what()
                self.over.wait(POLL_SECONDS)
        except BaseException as error:  # told by the judge: half a testimony is none
            self.failure = error

    def longest_look(self):
        return float(np.diff(self.looks).max()) if len(self.looks) > 1 else None

    # The files

    def look(self):
        self.sizes.append((time.time(), os.path.getsize(self.truth)))
        began = time.time()
        before = self.looks[-1] if self.looks else 0
        for path in sorted(self.lab.state.glob("log/*.log")):
            try:
                identity = os.stat(path).st_ino
                if identity not in self.parts:
                    self.parts[identity] = Part(path)
            except FileNotFoundError:
                continue
        for identity, part in list(self.parts.items()):
            is_over = part.is_over()
            for records, end in part.read():
                part.waiting.append((end, self.keep(records, before)))
            for seconds in part.became_durable():
                self.claim(seconds)
            if is_over:
                os.close(self.parts.pop(identity).file)
        self.looks.append(began)

    def keep(self, records, before):
        """Notes a block's records. {stream: second of its newest live tick}."""
        newest = {}
        records = records[records["kind"] != MORE]
        is_live = (records["kind"] < 128) & (records["flags"] & HEALED == 0)
        kinds = records["kind"].astype("i8")
        # A marker has its stream's kind in the body.
        bodies = np.frombuffer(records["body"].tobytes(), "u1").reshape(-1, 32)
        kinds = np.where(kinds == MARKER, bodies[:, 0], kinds)
        streams = records["con_id"].astype("i8") << 8 | kinds
        found = keys(records)
        for stream in np.unique(streams).tolist():
            self.seen.setdefault((stream >> 8, stream & 255), []).append((found[streams == stream], before))
            live = records["ts_event"][(streams == stream) & is_live]
            if len(live):
                newest[stream >> 8, stream & 255] = int(live.max()) // 10**9
        return newest

    def claim(self, seconds):
        for stream, second in seconds.items():
            claims = self.claims.setdefault(stream, [])
            if not claims or second > claims[-1][1]:
                claims.append((time.time(), second))

    def absent_until(self, con_id, kind):
        """{key: the last moment at which it was certainly not in the log} of one stream."""
        result = {}
        for found, before in self.seen.get((con_id, kind), []):
            for key in found.tolist():
                result.setdefault(key, before)
        return result

    def sent_by(self, offset):
        """The latest moment at which the row that ends at this place of the truth file can have been written; inf: later
        than the last look."""
        at = np.searchsorted([size for _, size in self.sizes], offset)
        return np.array([*(moment for moment, _ in self.sizes), np.inf])[at]

    # Health

    def ask(self):
        asked = time.time()
        address = self.address()
        if address is None:
            return
        asked = time.time()
        try:
            with urllib.request.urlopen(f"http://{address}/health", timeout=2) as answer:
                status, body = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, body = error.code, error.read()
        except OSError:
            # No watchdog, which is no 200 either.
            return
        self.pages.append((asked, time.time(), status, json.loads(body)["reasons"]))

    # What the operator's commands say

    def tell(self):
        for command in ("status", "gaps"):
            self.verdicts.append(Verdict.of(command, self.lab.where))
            self.over.wait(VERDICT_SECONDS)

    def address(self):
        """Where the present watchdog's pages are; its port is another one after each start."""
        dealer = self.lab.zmq.socket(zmq.DEALER)
        dealer.set(zmq.LINGER, 0)
        dealer.connect(f"ipc://{self.lab.run}/watchdog.sock")
        try:
            dealer.send(json.dumps({"id": 1, "command": "status"}).encode())
            return json.loads(dealer.recv())["result"]["http"] if dealer.poll(1000) else None
        finally:
            dealer.close()


def pairs(sent, absent):
    """Each tick that was sent with how long it was not durable: [(what, sent, absent until)] in the order of sending.

    `sent`: [(what, when)] of one stream; `absent`: {what: [moments until which one of its records was absent]}. Like ticks of
    a second can't be told apart: those written first are taken for those sent first."""
    left = {what: sorted(moments, reverse=True) for what, moments in absent.items()}
    return [(what, when, left[what].pop()) for what, when in sorted(sent, key=lambda tick: tick[1]) if left.get(what)]


def waits(sent, absent):
    """The times of `pairs` alone."""
    return [(when, until) for _, when, until in pairs(sent, absent)]


def late(pages, waited):
    """The worst moment at which health was 200 although a tick had been waiting for too long: (moment, seconds), or None.

    `waited`: as `waits` gives it."""
    over = np.array([(sent, until) for sent, until in waited if until - sent > LATE_SECONDS]).reshape(-1, 2)
    worst = None
    for asked, answered, status, *_ in pages:
        if status != 200:
            continue
        waiting = over[(over[:, 0] < asked - LATE_SECONDS) & (over[:, 1] >= answered)]
        if len(waiting) and (worst is None or asked - waiting[:, 0].min() > worst[1]):
            worst = (asked, float(asked - waiting[:, 0].min()))
    return worst
