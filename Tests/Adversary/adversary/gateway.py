"""The gateway: markets, clients, truth; and `Adversary`, which runs it in a thread of its own."""

import asyncio
import collections
import concurrent.futures
import pathlib
import threading
import time

from . import actions, history, messages, wire
from .catalogue import instruments
from .definitions import Describer
from .faults import Faults
from .market import BILLION, BID_ASK, LAST, Market, plain
from .session import Session, Subscription
from .truth import Truth

PUMP_SECONDS = 0.005
LEVEL1_NANOS = 250_000_000
PATIENCE = 30


class Gateway:
    """All of it, on one event loop. Only `Adversary` and the loop's own callbacks touch it."""

    def __init__(self, folder, seed=1, speed=1.0, max_version=wire.MAX_VERSION, warm_up=0, unreported=0.07, faults=None,
                 clock=time.time_ns):
        self.now = clock
        self.max_version = max_version
        self.faults = faults if isinstance(faults, Faults) else Faults(**(faults or {}))
        self.instruments = instruments(speed)
        self.truth = Truth(folder)
        begin = self.now() - int(warm_up * BILLION)
        self.markets = {i.key: Market(i, seed, begin, unreported) for i in self.instruments}
        for market in self.markets.values():
            market.whole = max_version < 163
        self.describer = Describer(self.faults, begin / BILLION)
        self.pacer = history.Pacer()
        self.sessions = []
        self.requests = collections.deque(maxlen=200_000)
        self.complaints = []
        """What clients did wrong, a line each."""
        self.subscribers = collections.defaultdict(list)
        self.previous_page = {}
        self.emptied = set()
        self.silenced = set()
        self.next_order_id = 1
        self.session_count = 0
        self.is_paused = False
        self.link_is_down = False
        self.dark_farms = set()
        self.level1_due = 0

    # Instruments

    def find(self, contract):
        """The market that a request names, or None."""
        for i in self.instruments:
            same = i.con_id == contract.con_id if contract.con_id else (
                i.symbol == contract.symbol and contract.sec_type in ("", i.sec_type))
            if same and contract.exchange in i.routes:
                return i
        return None

    def find_all(self, contract):
        """What contract data lists: one for an id, all that fit for a symbol."""
        if contract.con_id:
            fitting = [i for i in self.instruments if i.con_id == contract.con_id
                       and (not contract.exchange or contract.exchange in i.routes)]
            return fitting[:1]
        return [i for i in self.instruments if contract.symbol in (i.symbol, i.local_symbol)
                and contract.sec_type in ("", i.sec_type) and contract.currency in ("", i.currency)
                and (not contract.exchange or contract.exchange in i.routes) and i.exchange != "OVERNIGHT"]

    def farms(self):
        """The greeting's burst: (code, farm)."""
        live = sorted({i.farm for i in self.instruments})
        past = sorted({i.history_farm for i in self.instruments})
        return [*((2104, f) for f in live), *((2106, f) for f in past), (2158, "secdefil")]

    # Clients

    def next_session(self):
        self.session_count += 1
        return self.session_count

    def forget_session(self, session):
        if session in self.sessions:
            self.sessions.remove(session)
        for req_id in list(session.subscriptions):
            self.unsubscribe(session, req_id)
        session.level1.clear()

    def lines_used(self):
        return sum(len(s.subscriptions) for s in self.sessions)

    def subscribe(self, session, req_id, instrument, kind, past):
        # All that happened up to now is past, all from now on is live: nothing between.
        self.advance()
        subscription = Subscription(req_id, instrument, kind)
        stream = subscription.stream
        subscription.is_silent = stream in self.silenced or stream in (self.faults["subscription_silent"] or [])
        if past and not self.faults["past_ticks_missing"]:
            early = int((self.faults["past_ticks_end_early"] or 0) * 1_000_000)
            ticks = history.recent(self.markets[instrument.key].ticks[kind], min(past, history.MOST),
                                   self.now() - early, history.content(self.faults))
            session.put(messages.past(req_id, kind, ticks, True))
        session.subscriptions[req_id] = subscription
        self.subscribers[instrument.key, kind].append((session, subscription))
        session.note("subscribed", request=req_id, stream=stream, past=past)

    def unsubscribe(self, session, req_id):
        subscription = session.subscriptions.pop(req_id, None)
        if subscription is None:
            return False
        self.subscribers[subscription.instrument.key, subscription.kind].remove((session, subscription))
        session.note("unsubscribed", request=req_id, stream=subscription.stream)
        return True

    def offset(self, subscription, values):
        """Values of a live tick, moved when this stream's prices are to be false."""
        steps = self.faults.of("price_offset", subscription.stream, 0)
        if not steps:
            return values
        count = 2 if subscription.kind == BID_ASK else 1
        by = subscription.instrument.tick * steps
        moved = [plain(type(by)(value) + by) for value in values[:count]]
        return (*moved, *values[count:])

    # Level 1

    def subscribe_level1(self, session, req_id, instrument):
        session.level1[req_id] = [instrument, None, None]
        session.put(wire.frame(58, 1, req_id, self.faults["market_data_type"] or 1))
        session.put(wire.frame(81, req_id, instrument.tick, "9c0001", 3))

    def pump_level1(self):
        for session in self.sessions:
            for req_id, state in list(session.level1.items()):
                if not session.is_stalled:
                    self.sample(session, req_id, state)

    def sample(self, session, req_id, state):
        """What has changed since the last sample: prices with their sizes, and the sizes again."""
        instrument, quote, trade = state
        ticks = self.markets[instrument.key].ticks
        if ticks[BID_ASK] and ticks[BID_ASK][-1] is not quote:
            state[1] = ticks[BID_ASK][-1]
            bid, ask, bid_size, ask_size = state[1].values
            self.put_level1(session, req_id, instrument, 1, bid, bid_size, 1)
            self.put_level1(session, req_id, instrument, 2, ask, ask_size, 1)
        if ticks[LAST] and ticks[LAST][-1] is not trade:
            state[2] = ticks[LAST][-1]
            price, size, _, _ = state[2].values
            self.put_level1(session, req_id, instrument, 4, price, size, 0)

    def put_level1(self, session, req_id, instrument, field, price, size, mask):
        size_field = {1: 0, 2: 3, 4: 5}[field]
        session.put(wire.frame(1, 6, req_id, field, price, size, mask))
        session.put(wire.frame(2, 6, req_id, size_field, size))
        self.truth.put_level1(self.now(), session.number, req_id, instrument.con_id, field, price, size, mask)
        self.truth.put_level1(self.now(), session.number, req_id, instrument.con_id, size_field, "", size, "")

    # Time

    def advance(self):
        """Makes what the markets did since the last time, and gives it to subscribers."""
        if self.is_paused:
            return
        now = self.now()
        for key, market in self.markets.items():
            market.unreported_live = bool(self.faults["live_unreported_last"])
            market.unreported_history = not self.faults["history_without_unreported"]
            is_dark = self.link_is_down or market.instrument.farm in self.dark_farms
            for kind, tick in market.advance(now):
                self.truth.happened(market.instrument, kind, tick)
                if tick.live and not is_dark:
                    for session, subscription in self.subscribers[key, kind]:
                        session.tick(subscription, kind, tick)

    def pump(self):
        self.advance()
        if self.now() >= self.level1_due:
            self.level1_due = self.now() + LEVEL1_NANOS
            self.pump_level1()
        for session in list(self.sessions):
            session.flush()

    # History

    def history_request(self, instrument, start, end, count, what):
        """A request that has been checked, for `history_page`."""
        if what not in history.KINDS:
            raise history.RequestError(321, f"Error validating request.-'bN' : cause - Invalid whatToShow {what}")
        begins, ends = (history.parse_time(text, "US/Central") for text in (start, end))
        if (begins is None) == (ends is None):
            raise history.RequestError(321, "Error validating request.-'bN' : cause - give one of start and end")
        return instrument, history.KINDS[what], begins, ends, max(1, min(count, history.MOST))

    def history_page(self, request):
        """The ticks of an answer given now: (kind, ticks)."""
        instrument, kind, start, end, count = request
        self.advance()
        faults, key = self.faults, (instrument.key, kind)
        if faults["history_empty_first"] and key not in self.emptied:
            self.emptied.add(key)
            return kind, []
        all_ticks = self.markets[instrument.key].ticks[kind]
        until = history.newest_allowed(faults, self.now())
        has = history.content(faults)
        day_end, day_begin = history.day(faults, start, end)
        if end is not None and faults["history_end_counts"]:
            end += 1
        if day_end:
            until = min(until, day_end * BILLION)
        ticks = history.page(all_ticks, start, end, count, bool(faults["history_page_strict"]), until, has, day_begin)
        if day_end and not ticks and not faults["history_day_empty"]:
            ticks = history.page(all_ticks, None, start, 1, True, has=has)
        pages = self.previous_page
        early = [] if start is None else history.page(all_ticks, start - 1, None, 1, until=start * BILLION, has=has)
        altered = history.apply_faults(ticks, faults, pages.get(key), early)
        pages[key] = ticks
        return kind, altered


class Adversary:
    """The gateway in a thread of this process. `port` is picked by the system."""

    def __init__(self, folder, hosts=("127.0.0.1",), port=0, **options):
        self.folder = pathlib.Path(folder)
        self.hosts = hosts
        self.port = port
        self.options = options
        self.faults = Faults(**(options.pop("faults", None) or {}))
        self.failure = None
        self.started = threading.Event()
        self.thread = threading.Thread(target=self._run, name="adversary", daemon=True)

    def start(self):
        self.thread.start()
        assert self.started.wait(PATIENCE), "the gateway did not start"
        if self.failure:
            raise self.failure
        return self

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    def _run(self):
        try:
            asyncio.run(self._main())
        except BaseException as error:  # told to whoever waits for the gateway
            self.failure = error
        finally:
            self.started.set()

    async def _main(self):
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(self._failed)
        self.ending = asyncio.Event()
        self.gateway = Gateway(self.folder, faults=self.faults, **self.options)
        self.listeners = []
        await self.listen()
        self.started.set()
        while not self.ending.is_set():
            self.gateway.pump()
            await asyncio.sleep(PUMP_SECONDS)
        for session in list(self.gateway.sessions):
            session.close("the gateway ends")
        self.deaf()
        # A closed transport still writes what it holds.
        await asyncio.sleep(0.05)
        self.gateway.truth.close()

    def _failed(self, loop, context):
        """A fault of our own must fail the test, not vanish in a log."""
        error = context.get("exception")
        if not isinstance(error, ConnectionError):
            self.failure = error or RuntimeError(context["message"])
            self.ending.set()

    async def listen(self):
        """Opens the port on all addresses; the first picks it."""
        for host in self.hosts:
            listener = await self.loop.create_server(lambda: Session(self.gateway), host, self.port, reuse_address=True)
            self.port = listener.sockets[0].getsockname()[1]
            self.listeners.append(listener)

    def deaf(self):
        for listener in self.listeners:
            listener.close()
        self.listeners = []

    def call(self, function, *arguments):
        """Runs a function, or a coroutine function, on the gateway's loop and returns its result."""
        async def run():
            result = function(*arguments)
            return await result if asyncio.iscoroutine(result) else result

        self._check()
        future = asyncio.run_coroutine_threadsafe(run(), self.loop)
        try:
            return future.result(PATIENCE)
        except concurrent.futures.TimeoutError:
            raise AssertionError(f"the gateway does not answer: {self.failure}") from self.failure

    def _check(self):
        if self.failure:
            raise AssertionError("the gateway has failed") from self.failure

    def do(self, action, **arguments):
        """One of `actions.ACTIONS`."""
        return self.call(lambda: actions.run(self, action, arguments))

    def status(self):
        return self.do("status")

    def requests(self, number=None):
        """[(ns, session, message id, fields)] of what clients asked."""
        return self.call(lambda: [r for r in self.gateway.requests if number in (None, r[2])])

    @property
    def complaints(self):
        return self.call(lambda: list(self.gateway.complaints))

    def flush(self):
        self.call(lambda: self.gateway.truth.flush())

    def stop(self):
        """Closes all sockets and the truth files."""
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.ending.set)
            self.thread.join(PATIENCE)
        self._check()
