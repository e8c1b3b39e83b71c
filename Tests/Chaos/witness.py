"""What health said during a run, and what stood in the log's files by then: seen from outside, judged afterwards.

Nothing that the product says of itself counts here but the status of `/health`, which is what is judged. A tick is *sent* when
the gateway's truth file has it: it was written to the socket of a client that had subscribed to it, whether the client read it,
had no time to, or lost it with the connection. Ticks that a gateway never writes (a stall, a dark farm, nobody subscribed) are
not. A tick is *durable* when its record stands in a part of the log, as docs/file-format.md describes it: that outlives every
process of ours. What was sent and lost on its way, with its connection or its reader, counts until the healed record is there, or
until the marker of the gap that it was healed in stands in the log: from then on nobody takes the recording for whole. What is
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

POLL_SECONDS = 0.25
# No tick that the gateway sent may be without a durable copy for longer, while health is 200.
LATE_SECONDS = 7
BLOCK_BYTES = 32
MORE, MARKER = 254, 255
RECORDS = 0  # the codec of a block of records


class Part:
    """One part of the log, read as it grows. Its file is kept open: it may be sealed and removed between two looks."""

    def __init__(self, path):
        self.file = os.open(path, os.O_RDONLY)
        self.at = 0
        self.id = None

    def read(self):
        """The records of all blocks that are whole and were not there before."""
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
                found.append(records)
            self.id = part
            self.at += BLOCK_BYTES + length
        return found

    def is_over(self):
        return os.fstat(self.file).st_nlink == 0


class Witness:
    """Looks at the files of the log and of the gateway's truth and asks for `/health`, each in a thread, until it is stopped."""

    def __init__(self, lab, truth):
        self.lab = lab
        self.truth = truth
        self.pages = []  # (when it was asked for, when it had answered, HTTP status)
        self.sizes = []  # (when the truth file was looked at, its bytes then)
        self.looks = []  # when the log was looked at
        self.seen = {}  # stream: [(keys, begin of the last look that did not find them)]
        self.parts = {}
        self.over = threading.Event()
        self.failure = None
        self.threads = [threading.Thread(target=self.work, args=(what,), daemon=True) for what in (self.look, self.ask)]
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
            for records in part.read():
                self.keep(records, before)
            if is_over:
                os.close(self.parts.pop(identity).file)
        self.looks.append(began)

    def keep(self, records, before):
        records = records[records["kind"] != MORE]
        kinds = records["kind"].astype("i8")
        # A marker has its stream's kind in the body.
        bodies = np.frombuffer(records["body"].tobytes(), "u1").reshape(-1, 32)
        kinds = np.where(kinds == MARKER, bodies[:, 0], kinds)
        streams = records["con_id"].astype("i8") << 8 | kinds
        found = keys(records)
        for stream in np.unique(streams).tolist():
            self.seen.setdefault((stream >> 8, stream & 255), []).append((found[streams == stream], before))

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
                status = answer.status
        except urllib.error.HTTPError as error:
            status = error.code
        except OSError:
            # No watchdog, which is no 200 either.
            return
        self.pages.append((asked, time.time(), status))

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


def waits(sent, absent):
    """How long each tick that was sent was not durable: [(sent, absent until)] in the order of sending.

    `sent`: [(what, when)] of one stream; `absent`: {what: [moments until which one of its records was absent]}. Like ticks of
    a second can't be told apart: those written first are taken for those sent first."""
    left = {what: sorted(moments, reverse=True) for what, moments in absent.items()}
    return [(when, left[what].pop()) for what, when in sorted(sent, key=lambda tick: tick[1]) if left.get(what)]


def late(pages, waited):
    """The worst moment at which health was 200 although a tick had been waiting for too long: (moment, seconds), or None.

    `waited`: as `waits` gives it."""
    over = np.array([(sent, until) for sent, until in waited if until - sent > LATE_SECONDS]).reshape(-1, 2)
    worst = None
    for asked, answered, status in pages:
        if status != 200:
            continue
        waiting = over[(over[:, 0] < asked - LATE_SECONDS) & (over[:, 1] >= answered)]
        if len(waiting) and (worst is None or asked - waiting[:, 0].min() > worst[1]):
            worst = (asked, float(asked - waiting[:, 0].min()))
    return worst
