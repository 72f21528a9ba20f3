"""What a person at the telephone is to do, as a list of steps: keys and commands parsed."""

from dataclasses import dataclass, field
from enum import StrEnum

from ivr.softphone.errors import UsageError

KEYS = frozenset("0123456789*#ABCD")


class Way(StrEnum):
    """How a key travels: RTP events, SIP INFO, both at once, or tones in the sound."""

    RFC4733 = "rfc4733"
    INFO = "info"
    BOTH = "both"
    INBAND = "inband"


class Action(StrEnum):
    """What one step does."""

    PRESS = "press"
    WAIT = "wait"
    PAUSE = "pause"
    PLAY = "play"
    HOLD = "hold"
    UNHOLD = "unhold"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. `argument` may be a key, and never shows in a representation."""

    action: Action
    argument: str = field(default="", repr=False)
    way: Way = Way.RFC4733


def steps_of_keys(keys: str, way: Way) -> list[Step]:
    """Parse "0123456,4821#". Blanks are skipped; `UsageError` for what no keypad has."""
    steps = []
    for key in keys.upper():
        if key == ",":
            steps.append(Step(Action.WAIT))
        elif key in KEYS:
            steps.append(Step(Action.PRESS, key, way))
        elif not key.isspace():
            raise UsageError("keys are 0 to 9, *, #, A to D; a comma waits for a prompt's end")
    return steps


def steps_of_command(line: str, way: Way) -> list[Step]:
    """Parse a command (see the package); its last step says that it is done. `UsageError`."""
    name, _, argument = line.strip().partition(" ")
    argument = argument.strip()
    done = Step(Action.DONE, name)
    if name == "keys":
        return [*steps_of_keys(argument, way), done]
    if name in tuple(Way):
        return [*steps_of_keys(argument, Way(name)), done]
    if name == "pause":
        try:
            float(argument)
        except ValueError:
            raise UsageError("pause wants a number of seconds") from None
        return [Step(Action.PAUSE, argument), done]
    if name in (Action.WAIT, Action.PLAY, Action.HOLD, Action.UNHOLD):
        return [Step(Action(name), argument), done]
    ways = ", ".join(Way)
    raise UsageError(f"commands are keys, {ways}, wait, pause, play, hold, unhold, hangup")
