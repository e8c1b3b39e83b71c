"""Counts the tick-by-tick ticks that ib_async delivers: ib_async_client.py PORT STREAMS TICKS

Prints `ready` once subscribed, then `received N seconds S`: from the first tick to the last of TICKS.
"""
import asyncio
import sys
import time

import ib_async


async def main(port: int, streams: int, ticks: int) -> None:
    ib = ib_async.IB()
    await ib.connectAsync("127.0.0.1", port, clientId=7, timeout=20, fetchFields=ib_async.StartupFetchNONE)
    received, first, last = 0, 0.0, 0.0
    done = asyncio.Event()

    def count(tickers: set[ib_async.Ticker]) -> None:
        nonlocal received, first, last
        now = time.perf_counter()
        first = first or now
        received += sum(len(ticker.tickByTicks) for ticker in tickers)
        last = now
        if received >= ticks:
            done.set()

    ib.pendingTickersEvent += count
    for index in range(streams):
        contract = ib_async.Contract(conId=1000 + index // 2, exchange="CME", currency="USD")
        ib.reqTickByTickData(contract, "Last" if index % 2 else "BidAsk")
    print("ready", flush=True)
    await asyncio.wait_for(done.wait(), timeout=300)
    print(f"received {received} seconds {last - first:.6f}", flush=True)
    ib.disconnect()


asyncio.run(main(*(int(argument) for argument in sys.argv[1:4])))
