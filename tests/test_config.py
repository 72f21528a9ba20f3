"""`config.yaml`: what an operator may write, and the one line that each fault gets."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from auth_core.yamlfile import YamlFaults
from ivr.config import Config, load

PROJECT = Path(__file__).parent.parent
MINIMAL = 'lines:\n  - {number: "0810292929"}\n'


def written(folder: Path, text: str) -> Path:
    file = folder / "config.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def faults_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(YamlFaults) as caught:
        load(written(folder, text))
    return [str(fault).removeprefix(f"{folder}/") for fault in caught.value.faults]


def test_the_project_s_own_file_shows_the_defaults_in_force() -> None:
    shown = yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8"))
    config = load(PROJECT / "config.yaml")
    bare = Config(lines=shown["lines"])
    assert (config.sip, config.media, config.log) == (bare.sip, bare.media, bare.log)
    assert config.auth == bare.auth.relative_to(PROJECT)
    assert config.delivery == bare.delivery.relative_to(PROJECT)


def test_the_project_s_own_file_names_every_key() -> None:
    """A key that is not shown cannot be found by the operator."""
    text = (PROJECT / "config.yaml").read_text(encoding="utf-8")
    missing = [key for key in keys_of(Config) if f"{key}:" not in text]
    assert missing == []


def keys_of(model: type[BaseModel]) -> Iterator[str]:
    """The keys of a section and of those below it."""
    for name, field in model.model_fields.items():
        yield name
        below = field.annotation
        if isinstance(below, type) and issubclass(below, BaseModel):
            yield from keys_of(below)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("sip: {prot: 5060}\n" + MINIMAL, "config.yaml:1: sip.prot: unknown key"),
        ("sip:\n  port: many\n" + MINIMAL, "config.yaml:2: sip.port: input should be a valid int"),
        ("sip:\n  port: 70000\n" + MINIMAL, "config.yaml:2: sip.port: input should be less than"),
        ("sip:\n  transports: [sctp]\n" + MINIMAL, "config.yaml:2: sip.transports.0: "),
        (
            "sip:\n  transports: [tls]\n" + MINIMAL,
            "config.yaml:1: sip: tls is among the transports",
        ),
        ("sip:\n  trunks: [10.0.0.300]\n" + MINIMAL, "config.yaml:2: sip.trunks.0: "),
        ("sip:\n  port: 1\n  port: 2\n" + MINIMAL, "config.yaml:3: sip.port: given twice"),
        ("media:\n  port_range: [20000, 10000]\n" + MINIMAL, "config.yaml:2: media.port_range: "),
        ("media:\n  cpus: [4000]\n" + MINIMAL, "config.yaml:2: media.cpus: "),
        ("lines: []\n", "config.yaml:1: lines: "),
        ("sip: {}\n", "config.yaml:1: lines: missing"),
        ('lines:\n  - {number: "08", caf: "75"}\n', "config.yaml:2: lines.0.caf: "),
        ("lines: [\n", "config.yaml:2: "),
        ("", "config.yaml:1: the file is empty"),
    ],
)
def test_each_fault_names_its_line_and_key(tmp_path: Path, text: str, fault: str) -> None:
    faults = faults_of(tmp_path, text)
    assert any(line.startswith(fault) for line in faults), faults


def test_every_fault_is_told_not_only_the_first(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, "sip: {prot: 1}\nmedia: {wokers: 2}\n" + MINIMAL)
    assert len(faults) == 2


def test_a_number_given_to_two_lines_is_refused(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, MINIMAL + '  - {number: "0810292929"}\n')
    assert "0810292929 is given twice" in fault


def test_the_environment_goes_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IVR_SIP__PORT", "5070")
    assert load(written(tmp_path, "sip: {port: 5080}\n" + MINIMAL)).sip.port == 5070


def test_a_bad_value_of_the_environment_is_told_by_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IVR_SIP__PORT", "many")
    (fault,) = faults_of(tmp_path, MINIMAL)
    assert fault.startswith("environment: IVR_SIP__PORT: ")


def test_relative_paths_start_at_the_file_s_folder(tmp_path: Path) -> None:
    config = load(written(tmp_path, MINIMAL))
    assert config.records == tmp_path / "var" / "records.jsonl"
    assert config.prompts == tmp_path / "prompts"
