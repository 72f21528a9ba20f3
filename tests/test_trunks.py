"""`sip.trunks`: what an operator may write there, and whose an address is."""

from pathlib import Path

import pytest
import yaml

from auth_core.yamlfile import YamlFaults
from ivr.config import Config, load
from ivr.trunks import PasswordFault, Trunks

LINES = 'lines:\n  - {number: "0810292929"}\n'


def loaded(folder: Path, trunks: str) -> Config:
    file = folder / "config.yaml"
    file.write_text(f"sip:\n  trunks:\n{trunks}\n{LINES}", encoding="utf-8")
    return load(file)


def of(folder: Path, trunks: str, address: str) -> str | None:
    trunk = Trunks(loaded(folder, trunks).sip.trunks).of(address)
    return trunk.name if trunk else None


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("127.0.0.1", "private"),
        ("192.168.1.7", "private"),
        ("::1", "private"),
        ("fe80::1%eth0", "private"),
        ("::ffff:10.1.2.3", "private"),
        ("203.0.113.9", None),
        ("2001:db8::1", None),
    ],
)
def test_without_trunks_this_machine_and_private_networks_may_call(
    tmp_path: Path, address: str, name: str | None
) -> None:
    assert of(tmp_path, "    []", address) == name


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("198.51.100.9", "198.51.100.0/24"),
        ("::ffff:198.51.100.9", "198.51.100.0/24"),
        ("203.0.113.1", "wide"),
        ("203.0.113.130", "narrow"),
        ("203.0.113.129", "one"),
        ("2001:db8::7", "wide"),
        ("2001:db9::7", None),
        ("127.0.0.1", None),
    ],
)
def test_the_most_specific_network_says_whose_an_address_is(
    tmp_path: Path, address: str, name: str | None
) -> None:
    trunks = """
    - 198.51.100.0/24
    - {name: wide, networks: [203.0.113.0/24, "2001:db8::/32"]}
    - {name: narrow, networks: [203.0.113.128/25]}
    - {name: one, networks: [203.0.113.129]}
    """
    assert of(tmp_path, trunks, address) == name


def test_a_trunk_says_how_many_calls_and_what_is_believed(tmp_path: Path) -> None:
    (trunk,) = loaded(
        tmp_path,
        "    - {name: t, networks: [10.0.0.0/8], max_calls: 20, max_cps: 2, trusted: true,"
        " secure_sound: off}",
    ).sip.trunks
    limits = (trunk.max_calls, trunk.max_cps)
    assert (limits, trunk.trusted, trunk.secure_sound) == ((20, 2), True, "off")


def test_a_trunk_that_says_nothing_is_not_trusted(tmp_path: Path) -> None:
    (trunk,) = loaded(tmp_path, "    - 10.0.0.0/8").sip.trunks
    assert (trunk.trusted, trunk.secure_sound, trunk.max_calls) == (False, "optional", None)


@pytest.mark.parametrize(
    ("trunks", "fault"),
    [
        ("[10.0.0.1/8]", "10.0.0.1/8 has host bits set; give a network such as 198.51.100.0/24"),
        ("[{name: t}]", "name the networks of its calls, or users under digest"),
        ("[{networks: [10.0.0.0/8]}]", "sip.trunks.0.name: missing"),
        ("[{name: t, networks: [10.0.0.0/8], max_call: 1}]", "max_call: unknown key"),
        ("[{name: t, networks: [10.0.0.0/8], secure_sound: maybe}]", "sip.trunks.0.secure_sound"),
        ("[10.0.0.0/8, {name: t, networks: [10.0.0.0/8]}]", "the network 10.0.0.0/8 is given"),
        (
            "[{name: t, networks: [10.0.0.0/8]}, {name: t, networks: [11.0.0.0/8]}]",
            "the name t is given twice",
        ),
        ("[{name: t, digest: {users: [{user: a}]}}]", "give password_file or password_env"),
        ("[{name: t, digest: {users: [{user: a, password: x}]}}]", "password: unknown key"),
        (
            "[{name: t, networks: [10.0.0.1], register: {registrar: 'pbx', user: a}}]",
            "sip.trunks.0.register.registrar",
        ),
        (
            "[{name: t, networks: [10.0.0.1], register:"
            " {registrar: 'sip:pbx', user: a, password_env: P}}]",
            "a is none of `lines`; say by `line`",
        ),
    ],
)
def test_each_fault_of_a_trunk_is_told(tmp_path: Path, trunks: str, fault: str) -> None:
    with pytest.raises(YamlFaults) as caught:
        loaded(tmp_path, f"    {trunks}")
    assert any(fault in str(each) for each in caught.value.faults), caught.value.faults


def test_a_password_comes_from_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "branch.password").write_text("correct horse\n", encoding="utf-8")
    users = "[{user: branch, password_file: branch.password}]"
    config = loaded(tmp_path, f"    - {{name: t, digest: {{users: {users}}}}}")
    password = config.sip.trunks[0].users[0].password()
    assert password.get_secret_value() == "correct horse"
    assert "horse" not in f"{config!r} {password!r} {password}"


def test_a_password_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRANCH", "correct horse")
    config = loaded(
        tmp_path, "    - {name: t, digest: {users: [{user: branch, password_env: BRANCH}]}}"
    )
    assert config.sip.trunks[0].users[0].password().get_secret_value() == "correct horse"


@pytest.mark.parametrize("content", [None, "", "two\nlines", "\0"])
def test_a_password_that_is_none_is_told_without_it(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "secret").write_text(content, encoding="utf-8")
    config = loaded(
        tmp_path, "    - {name: t, digest: {users: [{user: branch, password_file: secret}]}}"
    )
    with pytest.raises(PasswordFault) as caught:
        config.sip.trunks[0].users[0].password()
    said = str(caught.value)
    assert "branch" in said
    assert str(tmp_path / "secret") in said
    assert len(said.splitlines()) == 1


def test_the_example_of_the_project_s_own_file_is_a_trunk(tmp_path: Path) -> None:
    lines = (Path(__file__).parent.parent / "config.yaml").read_text(encoding="utf-8").split("\n")
    begin = lines.index("  # trunks:")
    example = []
    for line in lines[begin:]:
        if not line.startswith("  #"):
            break
        example.append(line[4:])
    trunks = yaml.safe_load("\n".join(example))["trunks"]
    file = tmp_path / "config.yaml"
    file.write_text(
        yaml.safe_dump({"sip": {"trunks": trunks}, "lines": [{"number": "0810292929"}]}),
        encoding="utf-8",
    )
    network, operator = load(file).sip.trunks
    assert network.name == "198.51.100.0/24"
    assert (operator.name, len(operator.users), operator.trusted) == ("operator", 2, True)
    assert operator.register_ is not None
