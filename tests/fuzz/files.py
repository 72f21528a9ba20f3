"""The operator's files under damage: each fault is one clear line, never a traceback."""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from auth_core.yamlfile import Fault, YamlFaults
from ivr import config
from ivr.dialplan.check import inspect
from tests.dialplan.catalogue import ROOT, prompt_ids
from tests.fuzz.damage import TEXT
from tests.fuzz.targets import Target


class Configuration(Target):
    """`config.yaml`."""

    name = "config.yaml"
    share = 2
    ways = TEXT
    us_per_octet = 300.0
    us_at_all = 200_000.0

    def whole(self) -> Sequence[bytes]:
        return [(ROOT / "config.yaml").read_bytes()]

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._file = Path(self._folder.name) / "config.yaml"

    def feed(self, data: bytes) -> bool:
        self._file.write_bytes(data)
        try:
            config.load(self._file)
        except YamlFaults as faults:
            _assert_told(faults.faults)
            return False
        return True


class Dialplan(Target):
    """A flow, and whether it holds together."""

    name = "dialplan"
    share = 2
    ways = TEXT
    us_per_octet = 300.0
    us_at_all = 200_000.0

    def whole(self) -> Sequence[bytes]:
        return [(ROOT / "dialplans" / "caller.yaml").read_bytes()]

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._file = Path(self._folder.name) / "flow.yaml"
        self._prompts = prompt_ids()

    def feed(self, data: bytes) -> bool:
        self._file.write_bytes(data)
        faults = inspect(self._file, self._prompts)
        _assert_told(faults)
        return not faults


def _assert_told(faults: Iterable[Fault]) -> None:
    """One line for each."""
    for fault in faults:
        assert len(str(fault).split("\n")) == 1
