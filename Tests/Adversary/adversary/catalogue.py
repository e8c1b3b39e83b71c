"""The instruments that the gateway knows: what describes them, and how their markets behave."""

import dataclasses
import decimal


@dataclasses.dataclass
class Instrument:
    """One contract on one exchange. Rates are events a second; prices are multiples of `tick`."""

    con_id: int
    symbol: str
    sec_type: str
    exchange: str
    currency: str
    tick: decimal.Decimal
    price: decimal.Decimal
    quotes: float
    trades: float
    size: int = 10
    farm: str = "usfarm"
    history_farm: str = "ushmds"
    venues: tuple = ("ISLAND", "ARCA", "DRCTEDGE", "BATS", "FINRA")
    valid_exchanges: str = ""
    local_symbol: str = ""
    trading_class: str = ""
    multiplier: str = ""
    primary: str = ""
    long_name: str = ""
    last_trade_date: str = ""
    underlying: int = 0
    fraction: int = 1
    """Sizes are multiples of 1/fraction."""
    bond: dict = dataclasses.field(default_factory=dict)

    @property
    def key(self):
        return self.con_id, self.exchange

    @property
    def routes(self):
        """Exchanges under which a request finds this market."""
        return {self.exchange, *filter(None, self.valid_exchanges.split(","))} - {"OVERNIGHT"} | {self.exchange}


def D(text):
    return decimal.Decimal(text)


def instruments(speed=1.0):
    """All instruments, with their rates multiplied by `speed`."""
    known = [
        Instrument(711280073, "MNQ", "FUT", "CME", "USD", D("0.25"), D("23385.25"), 60, 14, size=6, farm="usfuture",
                   venues=("CME",), valid_exchanges="CME,QBALGO", local_symbol="MNQZ6", trading_class="MNQ",
                   multiplier="2", long_name="Micro E-Mini Nasdaq-100 Index", last_trade_date="20261218"),
        Instrument(620731015, "ES", "FUT", "CME", "USD", D("0.25"), D("6123.50"), 50, 16, size=40, farm="usfuture",
                   venues=("CME",), valid_exchanges="CME,QBALGO", local_symbol="ESZ6", trading_class="ES",
                   multiplier="50", long_name="E-mini S&P 500", last_trade_date="20261218"),
        Instrument(265598, "AAPL", "STK", "SMART", "USD", D("0.01"), D("187.30"), 40, 18, size=300,
                   valid_exchanges="SMART,NYSE,ARCA,BATS,ISLAND,DRCTEDGE,IEX,OVERNIGHT", local_symbol="AAPL",
                   trading_class="NMS", primary="NASDAQ", long_name="APPLE INC"),
        Instrument(265598, "AAPL", "STK", "OVERNIGHT", "USD", D("0.01"), D("187.10"), 12, 5, size=100,
                   valid_exchanges="SMART,OVERNIGHT", local_symbol="AAPL", trading_class="NMS", primary="NASDAQ",
                   long_name="APPLE INC", venues=("OVERNIGHT",)),
        Instrument(12087792, "EUR", "CASH", "IDEALPRO", "USD", D("0.00005"), D("1.08365"), 45, 0, size=1_000_000,
                   farm="cashfarm", history_farm="cashhmds", venues=(), valid_exchanges="IDEALPRO",
                   local_symbol="EUR.USD", trading_class="EUR.USD", long_name="European Monetary Union Euro"),
        Instrument(479624278, "BTC", "CRYPTO", "PAXOS", "USD", D("0.25"), D("91234.75"), 15, 6, size=3,
                   valid_exchanges="PAXOS", local_symbol="BTC.USD", trading_class="BTC", long_name="Bitcoin",
                   venues=("PAXOS",), fraction=10_000),
        Instrument(7, "ODD", "STK", "SMART", "USD", D("0.01"), D("11.63"), 10, 5, size=200, valid_exchanges="SMART",
                   local_symbol="ODD", trading_class="ODD", long_name="Odd Inc"),
        Instrument(118089500, "AAPL", "CFD", "SMART", "USD", D("0.01"), D("187.30"), 40, 18, size=300,
                   valid_exchanges="SMART", local_symbol="AAPLn", trading_class="AAPLn", long_name="APPLE INC",
                   underlying=265598),
        Instrument(15960357, "IBCID15960357", "BOND", "SMART", "USD", D("0.0001"), D("98.2500"), 4, 1, size=10,
                   farm="usbond", valid_exchanges="SMART", trading_class="15960357", long_name="US Treasury",
                   venues=("TRADEWEB",),
                   bond={"cusip": "912828C57", "coupon": "2.25", "maturity": "20310331", "issued": "20140331"}),
    ]
    for instrument in known:
        instrument.quotes *= speed
        instrument.trades *= speed
    return known
