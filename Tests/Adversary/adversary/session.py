"""One client's socket: greeting, login, and what its requests are answered with."""

import asyncio
import dataclasses
import datetime
import socket
import struct
import zoneinfo

from . import messages, wire
from .answers import Answers
from .market import BILLION
from .wire import Fields, FrameBuffer, WireError

BACKLOG = 64 << 20
UNKNOWN_MESSAGE = wire.frame(1999, 1, "nobody knows this")


@dataclasses.dataclass
class Subscription:
    """A tick-by-tick subscription: live ticks of one kind of one market, from its next one on."""

    req_id: int
    instrument: object
    kind: str
    delivered: int = 0
    is_silent: bool = False

    @property
    def stream(self):
        return f"{self.instrument.con_id}.{self.kind}"

    @property
    def venue(self):
        """`265598.last OVERNIGHT`: the stream of one market of its contract."""
        return f"{self.stream} {self.instrument.exchange}"


class Session(asyncio.Protocol):
    def __init__(self, gateway):
        self.gateway = gateway
        self.faults = gateway.faults
        self.number = gateway.next_session()
        self.buffer = FrameBuffer()
        self.out = bytearray()
        self.transport = None
        self.stage = "prefix"
        self.version = 0
        self.client_id = None
        self.is_stalled = False
        self.subscriptions = {}
        self.level1 = {}
        self.sent_times = []
        self.violations = 0
        self.answers = Answers(self)

    # The socket

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.set_write_buffer_limits(high=BACKLOG)
        self.gateway.sessions.append(self)
        self.note("connected")
        if self.faults["login"] == "close":
            self.close("login fault")
        elif self.faults["login"] == "silent":
            self.stage = "silent"

    def connection_lost(self, error):
        self.stage = "closed"
        self.gateway.forget_session(self)
        self.note("closed by the client or the network")

    def data_received(self, data):
        if self.stage in ("silent", "closed"):
            return
        self.buffer.feed(data)
        try:
            while self.step():
                pass
        except WireError as fault:
            self.gateway.complaints.append(f"session {self.number}: {fault}")
            self.close(str(fault))
        self.flush()

    def step(self):
        """Takes one piece from the buffer; False when there is no whole one."""
        if self.stage == "prefix":
            prefix = self.buffer.take(4)
            if prefix is None:
                return False
            if prefix != b"API\0":
                raise WireError(f"no API prefix: {prefix!r}")
            self.stage = "range"
            return True
        if self.stage in ("silent", "closed"):
            return False
        body = self.buffer.next()
        if body is None:
            return False
        if self.stage == "range":
            self.greet(body)
        elif not self.is_stalled:
            self.request(body)
        return True

    def put(self, frame):
        if self.stage != "closed":
            self.out += frame

    def flush(self, everything=False):
        if self.stage == "closed" or not self.out or (self.is_stalled and not everything):
            return
        chop = self.faults["chop"]
        if not chop:
            self.transport.write(bytes(self.out))
            self.out.clear()
            return
        # Pieces of their own on the wire, and what is left over stays for the next time: half a frame.
        whole = len(self.out) if everything else len(self.out) - len(self.out) % (chop + 1)
        for at in range(0, whole, chop):
            self.transport.write(bytes(self.out[at:min(at + chop, whole)]))
        del self.out[:whole]

    def close(self, why, reset=False):
        if self.stage == "closed":
            return
        self.note("closed by the gateway", why=why)
        self.flush(everything=True)
        if reset:
            linger = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.transport.abort()
        else:
            self.transport.close()
        self.stage = "closed"
        self.gateway.forget_session(self)

    def note(self, what, **more):
        self.gateway.truth.event(self.gateway.now(), what, session=self.number, **more)

    # Greeting and login

    def greet(self, body):
        self.version = wire.negotiate(body, self.gateway.max_version)
        if self.version is None:
            self.close("no version in common")
            return
        when = datetime.datetime.fromtimestamp(self.gateway.now() / BILLION, zoneinfo.ZoneInfo("US/Central"))
        time = self.faults["connection_time"] or f"{when:%Y%m%d %H:%M:%S} Central Standard Time"
        greeting = wire.frame(self.version, time)
        self.stage = "login"
        if self.faults["login"] == "slow":
            for at in range(len(greeting)):
                self.later(at * 0.02, self.transport.write, greeting[at:at + 1])
            return
        if self.faults["first_frame_early"]:
            greeting += self.accounts()
        self.transport.write(greeting)
        if self.faults["login"] == "close_after_greeting":
            self.close("login fault")

    def accounts(self):
        accounts = self.faults["accounts"]
        return wire.frame(15, 1, "DU1234567," if accounts is None else accounts)

    def start_api(self, fields):
        fields.int()
        self.client_id = fields.int()
        left = self.faults["client_id_in_use"]
        if left or any(s.client_id == self.client_id and s is not self for s in self.gateway.sessions):
            if left:
                self.faults["client_id_in_use"] = left - 1
            self.client_id = None
            self.error(-1, 326)
            self.close("client id in use")
            return
        self.later(self.faults["ready_delay"] or 0, self.ready)

    def ready(self):
        if self.stage == "closed":
            return
        self.stage = "ready"
        accounts, next_id = self.accounts(), wire.frame(9, 1, self.gateway.next_order_id)
        order = self.faults["ready_order"]
        if order == "errors first":
            self.burst()
        for frame in (next_id, accounts) if order == "id first" else (accounts, next_id):
            self.put(frame)
        if order != "errors first":
            self.burst()
        self.note("ready", client=self.client_id, version=self.version)
        self.flush()

    def burst(self):
        """The state of the farms, which comes once and never again."""
        for code, farm in self.gateway.farms():
            self.error(-1, code, farm=farm)
        for code, text in self.faults["greeting_notices"] or []:
            self.error(-1, code, text)

    # Requests

    def request(self, body):
        fields = Fields(body)
        number = fields.int()
        self.gateway.requests.append((self.gateway.now(), self.number, number, list(fields.rest)))
        self.note("request", fields=fields.all)
        if number == 71:
            self.start_api(fields)
        elif self.stage != "ready":
            self.gateway.complaints.append(f"session {self.number}: request {number} before the next id")
        elif self.is_within_rate() and number not in (self.faults["unanswered"] or []):
            self.answers.to(number, fields)

    def is_within_rate(self):
        """Counts this message; one beyond the limit gets error 100 and no answer, the third ends the session."""
        limit = self.faults["requests_per_second"] or 50
        now = self.gateway.now()
        self.sent_times = [t for t in self.sent_times if t > now - BILLION] + [now]
        if len(self.sent_times) <= limit:
            return True
        self.violations += 1
        self.gateway.complaints.append(f"session {self.number}: {len(self.sent_times)} messages within a second")
        self.error(-1, 100, limit=limit, count=len(self.sent_times))
        if self.violations >= 3:
            self.close("message rate")
        return False

    # What comes back

    def error(self, req_id, code, text=None, **values):
        """An error or a notice; its usual text, or this one."""
        if text is None:
            table = messages.LOCAL if self.faults["localized"] and code in messages.LOCAL else messages.TEXTS
            text = table.get(code, "Warning: nothing is known of this").format(req_id=req_id, **values)
        raw = text.encode("latin-1") if self.faults["localized"] and text.isascii() is False else text.encode()
        millis = self.gateway.now() // 1_000_000
        extra = ["more"] if self.faults["extra_fields"] else []
        self.put(messages.error(self.version, req_id, code, raw, millis, extra))
        self.note("error", request=req_id, code=code, text=text)

    def later(self, seconds, call, *arguments):
        """Calls now or later, and never on a socket that has gone."""
        def run():
            if self.stage != "closed":
                call(*arguments)
                self.flush()

        if seconds:
            asyncio.get_running_loop().call_later(seconds, run)
        else:
            run()

    def tick(self, subscription, kind, tick):
        """One live tick for one subscription; how the faults alter it is what truth says then."""
        if self.is_stalled or subscription.is_silent:
            return
        req_id, stream = subscription.req_id, subscription.stream
        if subscription.delivered == 0:
            for code, text in self.faults["subscription_warning"] or []:
                self.error(req_id, code, text)
        if self.faults["unknown_messages"]:
            self.put(UNKNOWN_MESSAGE)
        subscription.delivered += 1
        second = tick.second - int(self.faults.of("time_backwards", stream, 0))
        values = self.gateway.offset(subscription, tick.values)
        fields = messages.live_fields(kind, second, tick.mask, values)
        note = ""
        if poison := self.faults.taken("poison_tick", stream):
            names = messages.FIELD_OF[kind]
            fields = [poison.get(name, field) for name, field in zip(names, fields)][:poison.get("fields", len(fields))]
            note = "poisoned"
        self.put(messages.live(req_id, kind, fields))
        i = subscription.instrument
        self.gateway.truth.put(self.gateway.now(), self.number, req_id, i.con_id, i.exchange, kind, tick.index, second,
                               tick.mask, values, note)
