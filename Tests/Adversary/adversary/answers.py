"""What the gateway answers to each kind of request."""

from . import history, messages, wire
from .market import ALL_LAST, BILLION, LAST
from .wire import WireError

HISTORY_LATENCY = 0.03


class Answers:
    """The answers to one session's requests."""

    def __init__(self, session):
        self.session = session
        self.gateway = session.gateway
        self.faults = session.faults

    def to(self, number, fields):
        answer = {
            1: self.market_data, 2: self.cancel_market_data, 5: self.open_orders, 6: self.account_updates,
            7: self.executions, 8: self.next_id, 9: self.contract_data, 17: self.managed_accounts,
            49: self.current_time, 61: self.positions, 76: self.account_updates_multi, 81: self.matching_symbols, 83: self.smart_components,
            87: self.head_timestamp, 91: self.market_rule, 96: self.historical_ticks, 97: self.tick_by_tick,
            98: self.cancel_tick_by_tick, 99: self.completed_orders, 104: self.user_info, 105: self.current_millis,
        }.get(number)
        if answer:
            answer(fields)

    def put(self, *fields):
        self.session.put(wire.frame(*fields))

    # The session

    def next_id(self, fields):
        self.put(9, 1, self.gateway.next_order_id)

    def managed_accounts(self, fields):
        self.session.put(self.session.accounts())

    def current_time(self, fields):
        if not self.faults["clock_silent"]:
            self.put(49, 1, self.gateway.now() // BILLION + int(self.faults["clock_offset"] or 0))

    def current_millis(self, fields):
        if not self.faults["clock_silent"]:
            self.put(109, self.gateway.now() // 1_000_000 + 1000 * int(self.faults["clock_offset"] or 0))

    def positions(self, fields):
        self.put(62, 1)

    def open_orders(self, fields):
        self.put(53, 1)

    def completed_orders(self, fields):
        self.put(102)

    def account_updates(self, fields):
        _, _, account = fields.int(), fields.bool(), fields.text()
        self.put(8, 1, "12:00")
        self.put(54, 1, account)

    def account_updates_multi(self, fields):
        fields.int()
        self.put(74, 1, fields.int())

    def executions(self, fields):
        fields.int()
        self.put(55, 1, fields.int())

    def user_info(self, fields):
        self.put(107, fields.int(), "")

    # Instruments

    def contract_data(self, fields):
        fields.int()
        req_id, contract = fields.int(), fields.contract()
        found = self.gateway.find_all(contract)
        refusal = self.faults.of("definition_error", contract.con_id)
        if refusal or not found:
            self.session.error(req_id, *(refusal or [200]))
            return
        if self.faults["definition_unanswered"] == contract.con_id:
            return
        if warning := self.faults["definition_warning"]:
            self.session.error(req_id, *warning)
        for instrument in found:
            self.session.put(self.gateway.describer.definition(self.session.version, req_id, instrument))
        if self.faults["definition_end_missing"] != contract.con_id:
            self.put(52, 1, req_id)

    def matching_symbols(self, fields):
        req_id, pattern = fields.int(), fields.text()
        found = [i for i in self.gateway.instruments if pattern and i.symbol.startswith(pattern.upper())]
        self.session.put(self.gateway.describer.samples(self.session.version, req_id, found))

    def market_rule(self, fields):
        self.put(93, fields.int(), 1, 0, "0.01")

    def smart_components(self, fields):
        self.put(82, fields.int(), 2, 0, "AMEX", "A", 1, "CBOE", "B")

    def head_timestamp(self, fields):
        self.put(88, fields.int(), "20200102-14:30:00")

    def instrument(self, req_id, contract):
        """The market of a data request, or None, and then the client knows why."""
        if contract.con_id and not contract.exchange:
            self.session.error(req_id, 321, "Error validating request.-'bI' : cause - Please enter exchange")
            return None
        found = self.gateway.find(contract)
        if found is None:
            self.session.error(req_id, 200)
        elif found.sec_type == "CFD" and self.faults["reroute"]:
            self.put(91, req_id, found.underlying, "SMART")
            return None
        return found

    # Live data

    def tick_by_tick(self, fields):
        session = self.session
        req_id, contract = fields.int(), fields.contract()
        name, past = fields.text(), 0
        if session.version >= 140:
            past, _ = fields.int(), fields.bool()
        if name not in messages.LIVE_KINDS:
            raise WireError(f"no tick type {name!r}")
        kind = messages.LIVE_KINDS[name]
        if req_id in session.subscriptions or req_id in session.level1:
            session.error(req_id, 322)
            return
        instrument = self.instrument(req_id, contract)
        if instrument is None:
            return
        if refusal := self.faults.of("subscription_error", f"{instrument.con_id}.{kind}"):
            session.error(req_id, *refusal)
        elif not instrument.trades and kind in (LAST, ALL_LAST):
            session.error(req_id, 10189, kind=name, symbol=instrument.symbol)
        elif self.gateway.lines_used() >= (self.faults["tick_by_tick_lines"] or 5):
            session.error(req_id, 10190)
        else:
            self.gateway.subscribe(session, req_id, instrument, kind, past)

    def cancel_tick_by_tick(self, fields):
        req_id = fields.int()
        if not self.gateway.unsubscribe(self.session, req_id):
            self.session.error(req_id, 300)

    def market_data(self, fields):
        fields.int()
        req_id, contract = fields.int(), fields.contract()
        if req_id in self.session.subscriptions or req_id in self.session.level1:
            self.session.error(req_id, 322)
        elif instrument := self.instrument(req_id, contract):
            self.gateway.subscribe_level1(self.session, req_id, instrument)

    def cancel_market_data(self, fields):
        fields.int()
        req_id = fields.int()
        if self.session.level1.pop(req_id, None) is None:
            self.session.error(req_id, 300)

    # History

    def historical_ticks(self, fields):
        session, faults = self.session, self.faults
        req_id, contract = fields.int(), fields.contract()
        fields.bool()
        start, end, count, what = fields.text(), fields.text(), fields.int(), fields.text()
        fields.bool(), fields.bool(), fields.text()
        instrument = self.instrument(req_id, contract)
        if instrument is None or faults["history_silent"]:
            return
        now = self.gateway.now()
        why = self.gateway.pacer.violation(
            now / BILLION, (instrument.key, start, end, count, what), (instrument.key, what),
            history.WEIGHT.get(what, 1), faults["history_pacing"])
        if why:
            self.gateway.complaints.append(f"session {session.number}: history: {why}")
            session.error(req_id, 162)
            return
        if faults["history_error"]:
            session.error(req_id, *faults["history_error"])
            return
        try:
            request = self.gateway.history_request(instrument, start, end, count, what)
        except history.RequestError as error:
            session.error(req_id, error.code, error.text)
            return
        if faults["history_2188"]:
            session.error(req_id, 2188)
        session.later(HISTORY_LATENCY + (faults["history_delay"] or 0), self.send_history, req_id, request)

    def send_history(self, req_id, request):
        kind, ticks = self.gateway.history_page(request)
        pieces = max(1, int(self.faults["history_pieces"] or 1))
        size = -(-len(ticks) // pieces) or 1
        parts = [ticks[at:at + size] for at in range(0, len(ticks), size)] or [[]]
        for number, part in enumerate(parts, 1):
            self.session.put(messages.past(req_id, kind, part, number == len(parts)))
        self.session.note("history", request=req_id, kind=kind, ticks=len(ticks),
                          first=ticks[0].second if ticks else None, last=ticks[-1].second if ticks else None)
