"""`python -m ivr.softphone`: the softphone without the rest of `ivr`."""

import argparse
import sys
from pathlib import Path

from ivr.softphone.keys import Way
from ivr.softphone.phone import Options, run


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and make the call; the exit code."""
    defaults = Options()
    parser = argparse.ArgumentParser(prog="python -m ivr.softphone", description=__doc__)
    parser.add_argument("uri", nargs="?", default="", help="whom to ring; nobody: wait for a call")
    parser.add_argument("--keys", default="", help="keys to press; - reads standard input")
    parser.add_argument("--record", type=Path, help="WAV file for what is heard")
    parser.add_argument("--play", type=Path, help="WAV file to say once the call stands")
    parser.add_argument("--way", type=Way, default=defaults.way, choices=list(Way))
    parser.add_argument("--transport", default=defaults.transport, choices=("udp", "tcp", "tls"))
    parser.add_argument("--codec", default=defaults.codec, choices=("pcma", "pcmu"))
    parser.add_argument("--caller", default=defaults.caller, help="our number")
    parser.add_argument("--host", default="", help="IPv4 address to call from")
    parser.add_argument("--port", type=int, default=0, help="SIP port to wait at")
    parser.add_argument("--json", action="store_true", help="JSON lines, and commands on input")
    parser.add_argument("--max-seconds", type=float, default=defaults.max_seconds)
    parser.add_argument("--refuse-transfer", action="store_true")
    parser.add_argument("--require", nargs="*", default=(), choices=("100rel", "timer"))
    parser.add_argument("--key-ms", type=int, default=defaults.key_ms)
    parser.add_argument("--gap-ms", type=int, default=defaults.gap_ms)
    parser.add_argument("--srtp", default=defaults.srtp, choices=("off", "optional", "required"))
    parser.add_argument("--tls-authorities", type=Path, help="PEM: whom to believe over TLS")
    parser.add_argument("--tls-certificate", type=Path, help="PEM: what to show over TLS")
    parser.add_argument("--tls-key", type=Path, help="PEM: its key")
    return run(Options(**vars(parser.parse_args(arguments))))


if __name__ == "__main__":
    sys.exit(main())
