"""The ways in which this gateway misbehaves, by name. A fault is off when its value is None."""

CATALOGUE = {
    # Definitions
    "definition_impossible_field": "{con_id, field, value}: this field of the definition has this text",
    "definition_short": "con_id: its definition announces more security ids than come",
    "definition_warning": "[code, text]: sent with the request's id in front of each definition",
    "definition_unanswered": "con_id: requests for it are not answered",
    "definition_end_missing": "con_id: its definition comes, contractDataEnd does not",
    "definition_error": "{con_id: [code, text]}: the answer instead of a definition",
    "hours": "{con_id: {hours, liquid, zone}}: what a definition says of trading hours",
    "symbol": "{con_id: symbol}: what a definition calls the contract",
    # Starting
    "login": "what a new socket meets: `silent`, `close`, `close_after_greeting`, `slow` (a byte each 20 ms)",
    "ready_delay": "seconds from startApi to the accounts and the next id",
    "ready_order": "`id first`, or `errors first`: the farm burst before accounts and id",
    "accounts": "the text of managedAccounts, such as the empty one",
    "connection_time": "the text behind the version in the greeting",
    "greeting_notices": "[[code, text]]: the last of the farm burst",
    "client_id_in_use": "how many more logins are refused with 326",
    "first_frame_early": "true: the accounts are written together with the greeting, before startApi",
    # Subscriptions
    "subscription_warning": "[[code, text]]: sent with the request's id before its first live tick",
    "subscription_error": "{stream: [code, text]}: the answer instead of ticks",
    "subscription_silent": "[streams]: accepted, and never a tick",
    "past_ticks_end_early": "milliseconds: ticks of so long before the subscription are in neither past nor live ones",
    "past_ticks_missing": "true: numberOfTicks is ignored",
    "live_unreported_last": "true: `Last` brings unreported trades too",
    "price_offset": "{stream: steps}: live prices are off by so many ticks",
    "market_data_type": "1 to 4: sent in front of level 1, frozen or delayed",
    "reroute": "true: CFDs are rerouted to their underlying",
    # History
    "history_2188": "true: error 2188 in front of each answer",
    "history_silent": "true: requests are not answered",
    "history_error": "[code, text]: the answer to each request",
    "history_delay": "seconds until an answer",
    "history_lag": "seconds, with parts of one: history is late by so much, and may have a part of its newest second",
    "history_without_unreported": "true: unreported trades are left out; `sometimes`: they may be",
    "history_repeat": "`whole`: the page before again; `part`: a third of it in front; `early`: the "
                      "second before and the first one in front; `backwards`: in its last "
                      "second it goes back to the one before; `twice`: the page two times",
    "history_page_strict": "true: a page is cut at its count, in the middle of a second",
    "history_day_end": "Unix seconds, or some: a request from before gets ticks up to there, and then the last one again",
    "history_day_empty": "true: nothing instead of the last one again",
    "history_day_behind": "true: a request that names its end gets ticks of that day alone, too",
    "history_end_counts": "true: the second that a request ends with is in the answer",
    "history_pieces": "messages that an answer is divided into",
    "history_empty_first": "true: the first answer for each stream is empty",
    "history_pacing": "{identical, per_contract_2s, per_10min}: enforced with 162; {}: the documented limits",
    # The wire
    "chop": "bytes: the most that is written at once",
    "poison_tick": "{stream: {field: text}}: its next live tick has these texts, once: time, price, size, mask ...",
    "unknown_messages": "true: a message with an unknown id in front of each tick",
    "extra_fields": "true: fields behind the known ones of definitions and errors",
    "localized": "true: notices are not in English, and hold bytes that are no UTF-8",
    "time_backwards": "{stream: seconds}: the time of its live ticks",
    "clock_offset": "seconds by which currentTime is wrong",
    "clock_silent": "true: currentTime is not answered",
    "size_factor": "{con_id: factor}: the unit of sizes from the next restart on",
    # Limits
    "tick_by_tick_lines": "subscriptions at a time; the next gets 10190",
    "requests_per_second": "50 as documented: 100 beyond, and the socket is closed at the third",
    "unanswered": "[message ids]: requests that are never answered",
}


class Faults:
    """Values by name; an unknown name is an error. Set by one thread, read by another: each is replaced as a whole."""

    def __init__(self, **values):
        self.values = dict.fromkeys(CATALOGUE)
        for name, value in values.items():
            self[name] = value

    def __getitem__(self, name):
        return self.values[name]

    def __setitem__(self, name, value):
        if name not in CATALOGUE:
            raise KeyError(f"no such fault: {name}")
        self.values[name] = value

    def clear(self, name):
        self[name] = None

    def of(self, name, key, default=None):
        """The entry of a fault that is a mapping, whatever JSON has made of its keys."""
        value = self[name] or {}
        return value.get(key, value.get(str(key), default))

    def taken(self, name, key):
        """As `of`, and the entry is used up."""
        value = self.of(name, key)
        if value is not None:
            self[name] = {k: v for k, v in self[name].items() if str(k) != str(key)}
        return value

    def active(self):
        return {name: value for name, value in self.values.items() if value is not None}
