"""A market of made-up instruments: the same seed makes the same ticks. It knows nothing of sockets."""

import dataclasses
import decimal
import random

LAST, ALL_LAST, BID_ASK, MID_POINT = "last", "all_last", "bid_ask", "mid_point"
KINDS = [LAST, ALL_LAST, BID_ASK, MID_POINT]
PAST_LIMIT, UNREPORTED = 1, 2
BID_PAST_LOW, ASK_PAST_HIGH = 1, 2
CONDITIONS = ("", "", "", " O X", "  T  ", "   I", " O XT 4 I")
UNREPORTED_CONDITIONS = ("   I", "    4", "")
BILLION = 1_000_000_000


@dataclasses.dataclass(slots=True)
class Tick:
    """One tick of one stream. `index` counts within the stream; `time` is the event's, ns since the Unix epoch."""

    index: int
    time: int
    second: int
    mask: int
    values: tuple
    """last, all_last: price, size, exchange, conditions; bid_ask: bid, ask, bid size, ask size; mid_point: price."""
    live: bool = True
    """A subscription of this kind brings it."""
    history: bool = True
    """History is certain to have it."""
    is_unreported: bool = False


def plain(number):
    """A decimal as gateways write it: no exponent, and no zeros behind that say nothing."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class Market:
    """One instrument's market. `advance` makes all that happens until a time; nothing is ever taken back."""

    def __init__(self, instrument, seed, begin, unreported=0.07):
        self.instrument = instrument
        self.random = random.Random(f"{seed} {instrument.con_id} {instrument.exchange}")
        self.pace = random.Random(f"{seed} {instrument.con_id} {instrument.exchange} pace")
        self.next_time = begin
        self.ticks = {kind: [] for kind in KINDS}
        self.counts = dict.fromkeys(KINDS, 0)
        # In steps of the instrument's tick.
        self.middle = int(instrument.price / instrument.tick)
        self.bid, self.ask = self.middle - 1, self.middle + 1
        self.bid_size = self.ask_size = self._size()
        self.unreported = unreported
        self.unreported_live = False
        self.unreported_history = True
        self.whole = False
        self.size_factor = 1
        self.busy_second, self.activity = None, 1.0
        self._plan()

    def advance(self, now):
        """Makes all that happens up to `now` (ns). Returns [(kind, tick)] in order."""
        made = []
        while self.next_time <= now:
            if self.random.random() < self._share_of_trades():
                self._trade(made)
            else:
                self._quote(made)
            self._plan()
        return made

    def _share_of_trades(self):
        i = self.instrument
        return i.trades / (i.trades + i.quotes)

    def _plan(self):
        """When the next event is: a Poisson process whose rate is another one each second."""
        second = self.next_time // BILLION
        if second != self.busy_second:
            self.busy_second, self.activity = second, self.pace.lognormvariate(-0.2, 0.6)
        rate = (self.instrument.quotes + self.instrument.trades) * max(0.15, min(self.activity, 6))
        self.next_time += 1 + int(self.random.expovariate(rate) * BILLION)

    def _size(self):
        i = self.instrument
        units = max(1, int(self.random.lognormvariate(0, 1.1) * i.size * i.fraction / 4))
        if i.size >= 100 and i.fraction == 1 and self.random.random() < 0.8:
            units = max(1, units // 100) * 100
        return units

    def _size_text(self, units):
        size = decimal.Decimal(units) / self.instrument.fraction * self.size_factor
        return str(max(1, int(size))) if self.whole else plain(size)

    def _price(self, steps, halves=0):
        return plain(self.instrument.tick * steps + self.instrument.tick * halves / 2)

    def _add(self, made, kind, mask, values, **more):
        tick = Tick(self.counts[kind], self.next_time, self.next_time // BILLION, mask, values, **more)
        self.counts[kind] += 1
        self.ticks[kind].append(tick)
        made.append((kind, tick))

    def _quote(self, made):
        before = self.bid + self.ask
        draw = self.random.random()
        if draw < 0.35:
            step = self.random.choice((-1, 1))
            floor = int(self.instrument.price / self.instrument.tick) // 2
            if self.bid + step <= floor:
                step = 1
            self.bid, self.ask = self.bid + step, self.ask + step
        elif draw < 0.5:
            spread = self.random.choice((1, 1, 1, 2, 2, 3))
            self.ask = self.bid + spread
        if draw < 0.75:
            self.bid_size = self._size()
        else:
            self.ask_size = self._size()
        mask = BID_PAST_LOW if self.random.random() < 0.01 else 0
        mask |= ASK_PAST_HIGH if self.random.random() < 0.02 else 0
        self._add(made, BID_ASK, mask, (self._price(self.bid), self._price(self.ask), self._size_text(self.bid_size),
                                        self._size_text(self.ask_size)))
        if self.bid + self.ask != before or self.counts[MID_POINT] == 0:
            self._add(made, MID_POINT, 0, (self._price(0, self.bid + self.ask),))

    def _trade(self, made):
        is_unreported = self.random.random() < self.unreported
        steps = self.random.choice((self.bid, self.ask))
        exchange = self.random.choice(self.instrument.venues or ("",))
        conditions = self.random.choice(UNREPORTED_CONDITIONS if is_unreported else CONDITIONS)
        mask = (UNREPORTED if is_unreported else 0) | (PAST_LIMIT if self.random.random() < 0.01 else 0)
        values = (self._price(steps), self._size_text(self._size()), exchange, conditions)
        more = {"history": self.unreported_history or not is_unreported, "is_unreported": is_unreported}
        self._add(made, ALL_LAST, mask, values, **more)
        # The two kinds of trades share one history; what only AllLast brings live stands in it all the same.
        self._add(made, LAST, mask, values, live=self.unreported_live or not is_unreported, **more)
