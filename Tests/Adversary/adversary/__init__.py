"""A gateway that shares nothing with the product: not a line of code, not a reading of the protocol.

It speaks the text protocol of TWS (server versions up to 200) from its published description, sells ticks of a market of
its own, and keeps the truth in two files: what that market did, and what was put on sockets. Every way in which gateways
misbehave is a named fault (`faults.CATALOGUE`) or an action (`actions.ACTIONS`).

    with Adversary(folder, seed=7) as gateway:
        gateway.faults["history_page_strict"] = True
        gateway.do("drop")
"""

from .gateway import Adversary

__all__ = ["Adversary"]
