"""The gateway as a program: faults and actions are lines on standard input."""

import argparse
import json
import pathlib
import sys

from . import actions, faults
from .gateway import Adversary

COMMANDS = """\
lines on standard input, each answered by one line of JSON:
  set NAME VALUE      a fault; VALUE is JSON
  clear NAME          the fault ends
  do NAME [ARGUMENTS] an action; ARGUMENTS is a JSON object
  quit                (or the end of the input) closes all and ends
"""


def arguments():
    listing = "\n".join(["faults:", *(f"  {name:30} {text}" for name, text in faults.CATALOGUE.items()),
                         "actions:", *(f"  {actions.usage(name)}" for name in actions.ACTIONS)])
    parser = argparse.ArgumentParser(
        prog="python -m adversary", description=__doc__.strip(), epilog=COMMANDS + listing,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("adversary-truth"),
                        help="where the truth goes")
    parser.add_argument("--host", action="append", help="address to listen on (default 127.0.0.1); may be repeated")
    parser.add_argument("--port", type=int, default=0, help="0: picked by the system, and printed (default)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same market")
    parser.add_argument("--speed", type=float, default=1.0, help="multiplies the rates of all markets")
    parser.add_argument("--max-version", type=int, default=200, help="greatest server version, 137 to 200")
    parser.add_argument("--warm-up", type=float, default=0, help="seconds of history at the start")
    parser.add_argument("--unreported", type=float, default=0.07, help="share of trades that are marked unreported")
    return parser.parse_args()


def answer(adversary, line):
    """The result of one command."""
    verb, _, rest = line.strip().partition(" ")
    name, _, text = rest.partition(" ")
    if verb == "set":
        adversary.faults[name] = json.loads(text)
        return "ok"
    if verb == "clear":
        adversary.faults.clear(name)
        return "ok"
    if verb == "do":
        return adversary.do(name, **(json.loads(text) if text else {}))
    raise KeyError(f"no such command: {verb}")


def main():
    options = arguments()
    adversary = Adversary(
        options.folder, hosts=options.host or ["127.0.0.1"], port=options.port, seed=options.seed, speed=options.speed,
        max_version=options.max_version, warm_up=options.warm_up, unreported=options.unreported)
    with adversary:
        print(f"listening on {adversary.hosts[0]}:{adversary.port}", flush=True)
        for line in sys.stdin:
            if line.strip() == "quit":
                break
            try:
                result = {"ok": True, "result": answer(adversary, line)}
            except (KeyError, TypeError, ValueError) as error:
                result = {"ok": False, "error": str(error)}
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
