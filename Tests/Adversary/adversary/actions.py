"""What can be done to the gateway and its clients at a moment. Each action has a name and named arguments."""

import inspect

from . import wire
from .market import BILLION

ACTIONS = {}


def action(function):
    """`link_lost(adversary, ...)` becomes the action `link_lost`."""
    ACTIONS[function.__name__] = function
    return function


def run(adversary, name, arguments):
    if name not in ACTIONS:
        raise KeyError(f"no such action: {name}")
    return ACTIONS[name](adversary, **arguments)


def usage(name):
    """`drop reset`: an action and the names of its arguments."""
    return " ".join([name, *list(inspect.signature(ACTIONS[name]).parameters)[1:]])


def ready(adversary):
    return [s for s in adversary.gateway.sessions if s.stage == "ready"]


def chosen(adversary, streams):
    """(session, subscription) of these streams, such as `711280073.last` or `265598.last OVERNIGHT`; None: of all."""
    return [(session, s) for session in ready(adversary) for s in list(session.subscriptions.values())
            if streams is None or s.stream in streams or s.venue in streams]


@action
def status(adversary):
    """Who is connected and what is subscribed."""
    gateway = adversary.gateway
    return {
        "port": adversary.port, "sessions": len(ready(adversary)), "logins": gateway.session_count,
        "subscriptions": sorted(s.stream for _, s in chosen(adversary, None)),
        "level1": sum(len(s.level1) for s in gateway.sessions),
        "delivered": {s.stream: s.delivered for _, s in chosen(adversary, None)},
        "venues": {s.venue: s.delivered for _, s in chosen(adversary, None)},
        "complaints": len(gateway.complaints), "faults": adversary.faults.active(),
    }


@action
def drop(adversary, reset=False):
    """Closes all clients' sockets, in order or with a reset."""
    sessions = list(adversary.gateway.sessions)
    for session in sessions:
        session.close("dropped", reset)
    return len(sessions)


@action
def refuse(adversary):
    """No socket listens any more; who is connected stays."""
    adversary.deaf()


@action
async def accept(adversary):
    """Listens again, at the same port."""
    if not adversary.listeners:
        await adversary.listen()


@action
def stall(adversary):
    """Sockets stay open, and nothing comes any more; ticks are swallowed."""
    for session in adversary.gateway.sessions:
        session.flush()
        session.is_stalled = True


@action
def resume(adversary):
    for session in adversary.gateway.sessions:
        session.is_stalled = False


@action
def pause(adversary):
    """The markets stand still. Returns how many ticks have been made of each kind."""
    adversary.gateway.pump()
    adversary.gateway.is_paused = True
    return {f"{i.con_id}.{i.exchange}.{kind}": count for i in adversary.gateway.instruments
            for kind, count in adversary.gateway.markets[i.key].counts.items()}


@action
def go(adversary):
    """The markets go on, from now."""
    for market in adversary.gateway.markets.values():
        market.next_time = max(market.next_time, adversary.gateway.now())
    adversary.gateway.is_paused = False


@action
def notice(adversary, code, farm="", text=None, request=-1):
    """A connection-level notice to every client, with the usual text of its code or this one."""
    for session in ready(adversary):
        session.error(request, code, text, farm=farm, limit=50, count=51, kind="", symbol="")


@action
def link_lost(adversary):
    """The gateway has lost its broker: 1100, and no ticks."""
    adversary.gateway.link_is_down = True
    notice(adversary, 1100)


@action
def link_restored(adversary, lost=False):
    """1102, and subscriptions go on; or 1101, and they are gone."""
    adversary.gateway.link_is_down = False
    if lost:
        forget(adversary)
    notice(adversary, 1101 if lost else 1102)


@action
def farm_down(adversary, farm):
    """2103, and no ticks of the instruments that this farm serves."""
    adversary.gateway.dark_farms.add(farm)
    notice(adversary, 2103, farm)


@action
def farm_up(adversary, farm):
    adversary.gateway.dark_farms.discard(farm)
    notice(adversary, 2104, farm)


@action
def request_error(adversary, stream, code, text=None):
    """An error or a warning with the request id of a live subscription, which goes on."""
    found = chosen(adversary, [stream])
    for session, subscription in found:
        session.error(subscription.req_id, code, text, farm="", kind=subscription.kind, symbol="")
    return len(found)


@action
def silence(adversary, streams=None, lasting=False):
    """Subscriptions stay, and bring nothing; with `lasting` later ones of these streams neither."""
    found = chosen(adversary, streams)
    for _, subscription in found:
        subscription.is_silent = True
    if lasting:
        adversary.gateway.silenced.update(streams or [s.stream for _, s in found])
    return len(found)


@action
def unsilence(adversary, streams=None):
    adversary.gateway.silenced.difference_update(streams or list(adversary.gateway.silenced))
    for _, subscription in chosen(adversary, streams):
        subscription.is_silent = False


@action
def forget(adversary, streams=None):
    """Subscriptions are gone, and nobody is told."""
    found = chosen(adversary, streams)
    for session, subscription in found:
        adversary.gateway.unsubscribe(session, subscription.req_id)
    return len(found)


@action
def competing(adversary, streams=None):
    """10197 for every subscription, which is gone then."""
    for session, subscription in chosen(adversary, streams):
        session.error(subscription.req_id, 10197)
        adversary.gateway.unsubscribe(session, subscription.req_id)


@action
def frozen(adversary, type=2):
    """58 for every level-1 subscription: what comes from now on is of this type."""
    for session in ready(adversary):
        for req_id in session.level1:
            session.put(wire.frame(58, 1, req_id, type))


@action
async def restart(adversary, seconds=0.5):
    """Closes everything, and comes back with what the faults say of symbols and of the unit of sizes."""
    adversary.deaf()
    drop(adversary)
    gateway = adversary.gateway
    for market in gateway.markets.values():
        market.size_factor = gateway.faults.of("size_factor", market.instrument.con_id, market.size_factor)
    adversary.loop.call_later(seconds, lambda: adversary.loop.create_task(accept(adversary)))


@action
def raw(adversary, hex):
    """These bytes to every client, behind the last whole frame."""
    for session in ready(adversary):
        session.put(bytes.fromhex(hex))


@action
def send(adversary, fields):
    """One frame of these fields to every client."""
    for session in ready(adversary):
        session.put(wire.frame(*fields))


@action
def repeat_last_ticks(adversary, stream, count=1):
    """The market's newest ticks of a subscription once more, as a gateway does after a farm came back."""
    for session, s in chosen(adversary, [stream]):
        ticks = adversary.gateway.markets[s.instrument.key].ticks[s.kind]
        for tick in [t for t in ticks[-count:] if t.live]:
            session.tick(s, s.kind, tick)


@action
def age(adversary):
    """Seconds since the newest tick of any market was made."""
    gateway = adversary.gateway
    newest = max(t[-1].time for m in gateway.markets.values() for t in m.ticks.values() if t)
    return (gateway.now() - newest) / BILLION
