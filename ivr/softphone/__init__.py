"""`ivr call`: a softphone for a terminal and for tests. It rings, presses keys, says what it hears.

A run prints one line per event (`ivr.softphone.events`), for people or as JSON (`Options.json`).
Which key was pressed is never printed; with `keys="-"` keys come on standard input, so that a
secret shows neither in the output nor in the arguments of the process.

Keys: digits, `*`, `#`, `A` to `D`; a comma waits until the far end has spoken and then been silent
for half a second. With `json` and `keys="-"`, standard input takes one command a line:

    keys 0123456,4821#      press, the way the options say (or name it: rfc4733, info, both, inband)
    wait                    the same as a comma
    pause 1.5               do nothing for so many seconds
    play FILE.wav           say a recording to the far end
    hold | unhold           re-INVITE
    hangup                  at once, whatever still waits

They are carried out in order; each is answered by a `done` event, or an `error` event at once. The
end of standard input hangs up in this mode only.
"""

from ivr.softphone.errors import UsageError
from ivr.softphone.keys import Way
from ivr.softphone.phone import Options, run

__all__ = ["Options", "UsageError", "Way", "run"]
