"""What the gateway says of its instruments: contractData, bondContractData, symbolSamples."""

import datetime

from .wire import frame

FIELD_NAMES_FROM_164 = [
    "req_id", "symbol", "sec_type", "last_trade_date", "strike", "right", "exchange", "currency", "local_symbol",
    "market_name", "trading_class", "con_id", "min_tick", "multiplier", "order_types", "valid_exchanges",
    "price_magnifier", "under_con_id", "long_name", "primary_exchange", "contract_month", "industry", "category",
    "subcategory", "time_zone_id", "trading_hours", "liquid_hours", "ev_rule", "ev_multiplier", "sec_ids", "agg_group",
    "under_symbol", "under_sec_type", "market_rule_ids", "real_expiration_date", "stock_type", "min_size",
    "size_increment", "suggested_size_increment", "reasons"]


def always_open(now):
    """Trading hours that never close: seven days from yesterday on, each up to the next midnight UTC."""
    first = datetime.datetime.fromtimestamp(now, datetime.timezone.utc).date() - datetime.timedelta(days=1)
    days = [first + datetime.timedelta(days=n) for n in range(8)]
    return ";".join(f"{a:%Y%m%d}:0000-{b:%Y%m%d}:0000" for a, b in zip(days, days[1:]))


class Describer:
    """Writes definitions for one version, with what the faults make of them."""

    def __init__(self, faults, now):
        self.faults = faults
        self.hours = always_open(now)

    def symbol(self, instrument):
        return self.faults.of("symbol", instrument.con_id, instrument.symbol)

    def definition(self, version, req_id, i):
        """The frame of one definition."""
        return self._bond(version, req_id, i) if i.sec_type == "BOND" else self._contract(version, req_id, i)

    def _hours(self, i):
        said = self.faults.of("hours", f"{i.con_id} {i.exchange}") or self.faults.of("hours", i.con_id, {})
        hours = said.get("hours", self.hours)
        return said.get("zone", "UTC"), hours, said.get("liquid", hours)

    def _sec_ids(self, i):
        if self.faults["definition_short"] == i.con_id:
            return [3, "ISIN", "US0378331005"]
        return [1, "ISIN", "US0378331005"] if i.sec_type == "STK" else [0]

    def _contract(self, version, req_id, i):
        zone, hours, liquid = self._hours(i)
        rules = ",".join(["26"] * len(i.valid_exchanges.split(",")))
        stock = "COMMON" if i.sec_type == "STK" else ""
        smallest = "1" if i.fraction == 1 else f"{1 / i.fraction:.4f}"
        named = {
            "req_id": req_id, "symbol": self.symbol(i), "sec_type": i.sec_type, "last_trade_date": i.last_trade_date,
            "strike": 0, "right": "", "exchange": i.exchange, "currency": i.currency, "local_symbol": i.local_symbol,
            "market_name": i.trading_class, "trading_class": i.trading_class, "con_id": i.con_id, "min_tick": i.tick,
            "multiplier": i.multiplier, "order_types": "ACTIVETIM,LMT,MKT", "valid_exchanges": i.valid_exchanges,
            "price_magnifier": 1, "under_con_id": i.underlying, "long_name": i.long_name, "primary_exchange": i.primary,
            "contract_month": i.last_trade_date[:6], "industry": "", "category": "", "subcategory": "",
            "time_zone_id": zone, "trading_hours": hours, "liquid_hours": liquid, "ev_rule": "", "ev_multiplier": 0,
            "sec_ids": self._sec_ids(i), "agg_group": 2147483647 if i.sec_type == "FUT" else 1, "under_symbol": "",
            "under_sec_type": "", "market_rule_ids": rules, "real_expiration_date": i.last_trade_date,
            "stock_type": stock, "min_size": smallest, "size_increment": smallest, "suggested_size_increment": smallest,
            "reasons": 0}
        fault = self.faults["definition_impossible_field"]
        if fault and fault["con_id"] == i.con_id:
            named[fault["field"]] = fault["value"]
        return frame(10, *self._in_order(version, named), *self._extra())

    def _extra(self):
        return ["more", "0.5"] if self.faults["extra_fields"] else []

    @staticmethod
    def _in_order(version, named):
        since = {"agg_group": 121, "under_symbol": 122, "under_sec_type": 122, "market_rule_ids": 126,
                 "real_expiration_date": 134, "stock_type": 152, "min_size": 164, "size_increment": 164,
                 "suggested_size_increment": 164, "reasons": 186}
        fields = [8] if version < 164 else []
        for name in FIELD_NAMES_FROM_164:
            if version < since.get(name, 0):
                continue
            value = named[name]
            fields += value if isinstance(value, list) else [value]
            if name == "last_trade_date" and version >= 182:
                fields.append(str(value)[:8])
            if name == "min_tick" and version < 164:
                fields.append(1)  # mdSizeMultiplier
            if name == "stock_type" and version == 163:
                fields.append(named["min_size"])
        return fields

    def _bond(self, version, req_id, i):
        zone, hours, liquid = self._hours(i)
        b = i.bond
        fields = [18, *([6] if version < 164 else []), req_id, self.symbol(i), i.sec_type, b["cusip"], b["coupon"],
                  b["maturity"], b["issued"], "", "", "", 0, 0, 0, "", i.exchange, i.currency, i.trading_class,
                  i.trading_class, i.con_id, i.tick, *([1] if version < 164 else []), "LMT", i.valid_exchanges, "", "",
                  0, "", i.long_name]
        if version >= 188:
            fields += [zone, hours, liquid]
        fields += ["", 0, 1, "CUSIP", b["cusip"], 4, 1910]
        return frame(*fields, *([1, 1, 1] if version >= 164 else []))

    def samples(self, version, req_id, found):
        fields = [79, req_id, len(found)]
        for i in found:
            fields += [i.con_id, self.symbol(i), i.sec_type, i.primary or i.exchange, i.currency, 0]
            if version >= 176:
                fields += [i.long_name, ""]
        return frame(*fields)
