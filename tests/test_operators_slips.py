"""What operators get wrong, one slip at a time in the project's own files: `ivr check` has one line
for it, with file, line, key and the way out."""
# ruff: noqa: E501 - a line that is told is told whole

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ivr.cli import app
from tests.running import PROJECT

CONFIG = "config.yaml"
FLOW = "dialplans/caller.yaml"


@dataclass(frozen=True)
class Slip:
    """`old` becomes `new` in `file`; `check` then says `told` of the line that has changed, or of
    the one at the end of the text `at`. "{above}" in `told` is the number of the line above."""

    file: str
    old: str
    new: str
    told: str
    at: str = ""


SLIPS = [
    Slip(
        CONFIG,
        "  database_url: sqlite+aiosqlite:///",
        "  database_url: sqlite:///",
        "auth.database_url: no database is reached by sqlite://; give sqlite+aiosqlite:///FILE or postgresql+psycopg://USER@HOST/NAME",
    ),
    Slip(
        CONFIG,
        "  # advertised_ip: 203.0.113.10",
        "  advertised_ip: 203.0.113.1O",
        "media.advertised_ip: '203.0.113.1O' is no IP address; give one such as 203.0.113.10",
    ),
    Slip(
        CONFIG,
        'metrics_from: [127.0.0.0/8, "::1/128"]',
        "metrics_from: [localhost]",
        "console.metrics_from.0: is no network; give one such as 198.51.100.0/24",
    ),
    Slip(
        CONFIG,
        'hours: {mon-fri: "09:00-16:30", holidays: fr}',
        'hours: {mon-fri: "09:00-16:30", closed: [2026-02-30]}',
        "lines.0.hours.closed.0: this is not what it seems (day is out of range for month); correct or quote it",
    ),
    Slip(
        CONFIG,
        'hours: {mon-fri: "09:00-16:30", holidays: fr}',
        'hours: {mon-fri: "09:00-16:30", closed: 2026-12-24}',
        "lines.0.hours.closed: input should be a valid list; write it in brackets: [one, two]",
    ),
    Slip(
        CONFIG,
        'hours: {mon-fri: "09:00-16:30", holidays: fr}',
        'hours: "09:00-16:30"',
        "lines.0.hours: input should be a valid dictionary; write its keys below it, indented",
    ),
    Slip(
        FLOW,
        '"1": {say: option_payments, go: payments}',
        '"1": payments',
        "nodes.services.options.1: input should be a valid dictionary; write its keys below it, indented",
    ),
    Slip(
        CONFIG,
        '  - number: "0810292929"',
        '  - number: "08 10 29 29 29"',
        'lines.0.number: give digits without spaces, 20 at most, such as "0810292929"',
    ),
    Slip(
        CONFIG,
        '    caf: "751"',
        '    caf: "75"',
        'lines.1.caf: give three digits in quotes, such as "751"',
    ),
    Slip(
        CONFIG,
        "    # advisor: sip:advisors@203.0.113.20",
        '    advisor: "sip:@"',
        "lines.0.advisor: give a SIP URI, such as sip:advisors@203.0.113.20",
    ),
    Slip(
        CONFIG,
        "  trunks: []",
        "  trunks: [{name: my trunk, networks: [198.51.100.0/24]}]",
        "sip.trunks.0.name: give a name without spaces: letters, digits and . _ : / -, 64 of them at most",
    ),
    Slip(
        CONFIG,
        "  # advertised_host: 203.0.113.10",
        "  advertised_host: our server",
        "sip.advertised_host: give an IP address, or a name as the DNS has it",
    ),
    Slip(
        CONFIG,
        "records: var/records.jsonl",
        "records: prompts",
        "records: prompts is a folder; name a file, such as prompts/records.jsonl",
    ),
    Slip(
        CONFIG,
        "  folder: var/outbox",
        "  folder: config.yaml",
        "delivery.folder: config.yaml is no folder; name one, or none and it is made",
    ),
    Slip(
        CONFIG,
        "  proxies: [] ",
        "  proxees: [] ",
        "portal.proxees: unknown key; remove it or correct its spelling",
    ),
    Slip(
        CONFIG,
        "session: {idle_minutes: 15,",
        "session: {idle_minutes: 90,",
        "portal.session.idle_minutes: input should be less than or equal to 60",
    ),
    Slip(
        CONFIG,
        "  port: 5060 ",
        "  prot: 5060 ",
        "sip.prot: unknown key; remove it or correct its spelling",
    ),
    Slip(
        CONFIG,
        "  port: 5060 ",
        "  port: 506O ",
        "sip.port: input should be a valid integer, unable to parse string as an integer",
    ),
    Slip(
        CONFIG,
        "  port: 5060 ",
        "  port: 70000 ",
        "sip.port: input should be less than or equal to 65535",
    ),
    Slip(
        CONFIG,
        '  - number: "0810292929"',
        '  - numbre: "0810292929"',
        "lines.0.numbre: unknown key; did you mean number?",
    ),
    Slip(
        CONFIG,
        "  transports: [udp, tcp]",
        "  transports: [udp, sctp]",
        "sip.transports.1: input should be 'udp', 'tcp' or 'tls'",
    ),
    Slip(
        CONFIG,
        "  transports: [udp, tcp]",
        "  transports: [udp, tls]",
        "sip: tls is among the transports: give sip.tls.certificate and sip.tls.key, PEM files",
        at="sip:",
    ),
    Slip(
        CONFIG,
        "  trunks: []",
        "  trunks: [198.51.100.0/33]",
        "sip.trunks.0: '198.51.100.0/33' does not appear to be an IPv4 or IPv6 network; give a network such as 198.51.100.0/24, or a mapping with a name",
    ),
    Slip(
        CONFIG,
        "  trunks: []",
        "  trunks: [{name: operator}]",
        "sip.trunks.0: name the networks of its calls, or users under digest, or both",
    ),
    Slip(
        CONFIG,
        "  trunks: []",
        "  trunks: [10.0.0.0/8, 10.0.0.0/8]",
        "sip.trunks: the name 10.0.0.0/8 is given twice; keep one",
    ),
    Slip(
        CONFIG,
        "  trunks: []",
        "  trunks: [{name: a, digest: {users: [{user: b, password_file: var/none}]}}]",
        "sip.trunks.0: the password of b: cannot read var/none (No such file or directory); write it there, on one line",
    ),
    Slip(
        CONFIG,
        "  trunks: []",
        '  trunks: [{name: a, networks: [10.0.0.0/8], register: {registrar: "sip:pbx", user: x, password_env: HOME}}]',
        "sip.trunks: a: register: x is none of `lines`; say by `line` which one its calls reach",
    ),
    Slip(
        CONFIG,
        "  session_expires: 1800",
        "  session_expires: 30",
        "sip.session_expires: give at least 90 seconds (RFC 4028 §4), or 0 for no session timer",
    ),
    Slip(
        CONFIG,
        "  port_range: [10000, 20000]",
        "  port_range: [20000, 10000]",
        "media.port_range: give the lowest and the highest port, from 1024 up, such as [10000, 20000]; [0, 0] lets the system choose",
    ),
    Slip(CONFIG, "  codecs: [pcma, pcmu]", "  codecs: []", "media.codecs: name at least one"),
    Slip(
        CONFIG,
        "  codecs: [pcma, pcmu]",
        "  codecs: [opus]",
        "media.codecs.0: input should be 'pcma' or 'pcmu'",
    ),
    Slip(
        CONFIG,
        '  - number: "0810257510"',
        "  - number: 810257510",
        "lines.1.number: input should be a valid string; write it in quotes",
    ),
    Slip(
        CONFIG,
        '  - number: "0810257510"',
        '  - number: "0810292929"',
        "lines: 0810292929 is given twice; keep one",
        at="lines:",
    ),
    Slip(
        CONFIG,
        '    caf: "751"',
        "    caf: 751",
        "lines.1.caf: input should be a valid string; write it in quotes",
    ),
    Slip(
        CONFIG,
        '    caf: "751"\n    dialplan: caller',
        '    caf: "751"\n    dialplan: calller',
        "lines.1.dialplan: calller: dialplans/calller.yaml: No such file or directory; those there are: caller",
    ),
    Slip(
        CONFIG,
        '    hours: {mon-fri: "09:00-16:30", holidays: fr}\n    # notice',
        '    hours: {mon-fry: "09:00-16:30", holidays: fr}\n    # notice',
        "lines.0.hours: mon-fry is no day; write mon, tue, wed, thu, fri, sat, sun, a range such as mon-fri, holidays or closed",
    ),
    Slip(
        CONFIG,
        '    hours: {mon-fri: "09:00-16:30", holidays: fr}\n    # notice',
        '    hours: {mon-fri: "09:00-25:00", holidays: fr}\n    # notice',
        'lines.0.hours: mon-fri: 25:00 is no hour; write it such as "09:00-16:30"',
    ),
    Slip(
        CONFIG,
        '    hours: {mon-fri: "09:00-16:30", holidays: fr}\n    # notice',
        '    hours: {mon-fri: "16:30-09:00", holidays: fr}\n    # notice',
        "lines.0.hours: mon-fri: 16:30-09:00 ends before it starts; write the earlier hour first",
    ),
    Slip(
        CONFIG,
        "    language: fr           #",
        "    language: de           #",
        "lines.0.language: input should be 'fr' or 'en'",
    ),
    Slip(
        CONFIG,
        "    # notice: price_notice",
        "    notice: price_notise",
        "lines.0.notice: there is no prompt price_notise in fr; did you mean price_notice? Otherwise write its text in prompts/fr/catalogue.yaml",
    ),
    Slip(
        CONFIG,
        "  max_failures: 5 ",
        "  max_failures: 50 ",
        "auth.max_failures: input should be less than or equal to 20",
    ),
    Slip(
        CONFIG,
        "  provisional_validity_months: 2 ",
        "  provisional_validity_months: 3 ",
        "auth.provisional_validity_months: input should be less than or equal to 2",
    ),
    Slip(
        CONFIG,
        "  lease: 120 ",
        "  lease: 12 ",
        "delivery: lease must be at least twice sms.timeout",
        at="delivery:",
    ),
    Slip(
        CONFIG,
        "sip:\n",
        "sip:\n\t",
        "found character '\\t' that cannot start any token; mend the YAML here",
    ),
    Slip(
        CONFIG,
        "  host: 0.0.0.0 ",
        "  host: 0.0.0.0\n  host: 127.0.0.1 ",
        "sip.host: given twice, first on line {above}; keep one",
        at="  host: 127.0.0.1",
    ),
    Slip(
        CONFIG,
        "prompts: prompts ",
        "prompts: prompt ",
        "prompts: prompt is no folder; name the one that holds the prompts",
    ),
    Slip(
        CONFIG,
        "dialplans: dialplans ",
        "dialplans: dialplan ",
        "dialplans: dialplan is no folder; name the one that holds the dialplans",
    ),
    Slip(
        FLOW,
        "    next: which_line",
        "    next: wich_line",
        "nodes.welcome.next: no node is called wich_line; did you mean which_line?",
    ),
    Slip(
        FLOW,
        "    prompts: [welcome]",
        "    prompts: [wellcome]",
        "nodes.welcome.prompts.0: no prompt wellcome in fr and en; did you mean welcome? Otherwise add it to prompts/fr/catalogue.yaml and prompts/en/catalogue.yaml",
    ),
    Slip(
        FLOW,
        "    prompts: [welcome]",
        "    prompts: welcome",
        "nodes.welcome.prompts: input should be a valid list; write it in brackets: [one, two]",
    ),
    Slip(
        FLOW,
        "    kind: play\n    prompts: [welcome]",
        "    kind: paly\n    prompts: [welcome]",
        "nodes.welcome.kind: no kind of node is called paly; did you mean play?",
    ),
    Slip(
        FLOW,
        "    prompts: [welcome]\n",
        "    promts: [welcome]\n",
        "nodes.welcome.promts: unknown key; did you mean prompts?",
    ),
    Slip(
        FLOW,
        "    into: matricule",
        "    into: matricle",
        "nodes.ask_matricule.into: input should be 'postal_code', 'matricule', 'secret' or 'birth_day_month'",
    ),
    Slip(
        FLOW,
        "    lengths: [7]",
        "    lengths: [6]",
        "nodes.ask_matricule.lengths: a matricule has 7 digits; write [7]",
    ),
    Slip(
        FLOW,
        '    keys: {"*": ask_secret}',
        "    keys: {*: ask_secret}",
        'the key * needs quotes; write "*":',
    ),
    Slip(
        FLOW,
        '      "1": {say: option_sms, go: lost_by_sms}',
        "      *: {say: option_sms, go: lost_by_sms}",
        'the key * needs quotes; write "*":',
    ),
    Slip(
        FLOW,
        '      "1": {say: option_key_secret, go: ask_secret}',
        '      "A": {say: option_key_secret, go: ask_secret}',
        "nodes.after_forgotten.options.A: input should be '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*' or '#'",
    ),
    Slip(
        FLOW,
        '      "751": welcome_paris',
        '      "75l": welcome_paris',
        "nodes.which_line.cases.75l: line_caf is never 75l; write the 3 digits of a Caf in quotes, or none",
    ),
    Slip(
        FLOW,
        "    service: certificate",
        "    service: certificat",
        "nodes.certificate.service: no service is called certificat; did you mean certificate?",
    ),
    Slip(
        FLOW,
        "trouble: technical_trouble ",
        "truoble: technical_trouble ",
        "truoble: unknown key; did you mean trouble?",
    ),
    Slip(FLOW, "start: welcome\n", "", "start: missing; add it", at="# yaml-language-server"),
    Slip(
        FLOW,
        "  silence: goodbye\n",
        "  silence: godbye\n",
        "give_up.silence: no node is called godbye; did you mean goodbye?",
    ),
    Slip(
        FLOW,
        "timers: {first_digit: 7,",
        "timers: {first_digit: 0,",
        "timers.first_digit: input should be greater than 0",
    ),
    Slip(
        FLOW,
        "  goodbye:\n    kind: hang_up\n",
        "  goodbye:\n",
        "nodes.goodbye: has no kind; add one of authenticate, branch, certificate, collect, hang_up, hours, language, lost_password, menu, play, say, service, transfer",
        at="  goodbye:",
    ),
    Slip(
        FLOW,
        "  goodbye:\n",
        "  lonely:\n    kind: hang_up\n\n  goodbye:\n",
        "nodes.lonely: no way leads here; lead to it, or remove it",
    ),
    Slip(
        FLOW,
        "    kind: play\n    prompts: [certificate_done]\n    next: services",
        "    kind: play\n    prompts: [certificate_done]\n    next: certificate_done",
        "nodes.certificate_done: no key leads from here to the end of the call; add a way to hang_up or transfer",
        at="  certificate_done:",
    ),
    Slip(
        FLOW,
        '      "0": {say: option_advisor, go: advisor}',
        '      "0": {say: option_advisor, go: advisor}\n      "5": {say: option_advisor, go: advisor}',
        "nodes.services.options: 6 options; keep 5, move the rest to another menu",
        at="    prompts: [main_menu]\n    options:",
    ),
    Slip(
        FLOW,
        "    tries: 3 ",
        "    tries: 5 ",
        "nodes.authenticate.tries: input should be less than or equal to 3",
    ),
    Slip(
        FLOW,
        "nodes:\n",
        "steps:\n",
        "nodes: missing; list the nodes of the flow under it",
        at="# yaml-language-server",
    ),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The project's own files, to be spoilt."""
    shutil.copy(PROJECT / CONFIG, tmp_path)
    shutil.copytree(PROJECT / "dialplans", tmp_path / "dialplans")
    (tmp_path / "prompts").symlink_to(PROJECT / "prompts")
    return tmp_path


def checked(folder: Path) -> list[str]:
    """What `ivr check` says, without the folder; it exits 1 for a fault and 0 for none."""
    done = CliRunner().invoke(app, ["check", "--config", str(folder / CONFIG)])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    lines = done.output.replace(f"{folder}/", "").splitlines()
    in_order = len(lines) == 1 and " in order: version " in lines[0]
    assert done.exit_code == (0 if in_order else 1)
    return lines


def place(slip: Slip, before: str, after: str) -> int:
    """The number of the line that the fault is told of."""
    if slip.at:
        return after[: after.index(slip.at) + len(slip.at)].count("\n") + 1
    pairs = zip(before.splitlines(), after.splitlines(), strict=False)
    return next(number for number, (old, new) in enumerate(pairs, 1) if old != new)


def test_without_a_slip_all_is_in_order(folder: Path) -> None:
    (line,) = checked(folder)
    assert line.startswith("config.yaml, its dialplans and its prompts are in order: version ")


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.told[:40])
def test_a_slip_gets_its_one_clear_line(folder: Path, slip: Slip) -> None:
    before = (folder / slip.file).read_text(encoding="utf-8")
    assert slip.old in before
    after = before.replace(slip.old, slip.new, 1)
    (folder / slip.file).write_text(after, encoding="utf-8")
    line = place(slip, before, after)
    told = slip.told.replace("{above}", str(line - 1))
    assert checked(folder) == [f"{slip.file}:{line}: {told}"]


def test_two_slips_get_two_lines_and_nothing_that_only_follows_from_them(folder: Path) -> None:
    text = (folder / CONFIG).read_text(encoding="utf-8")
    first, second = "    dialplan: caller       #", '    caf: "751"'
    changed = text.replace(first, "    dial: caller #", 1).replace(second, "    caf: [751]", 1)
    (folder / CONFIG).write_text(changed, encoding="utf-8")
    assert [line.split(": ")[1] for line in checked(folder)] == ["lines.0.dial", "lines.1.caf"]
