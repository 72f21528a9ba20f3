"""Who calls, and which number was dialled: what a trusted trunk tells."""

from collections.abc import Callable

import pytest

from ivr.sip.events import Invited
from ivr.sip.grammar.asserted_identity import asserted_identities
from ivr.sip.grammar.diversion import diversions
from ivr.sip.grammar.headers import Headers
from ivr.sip.grammar.history_info import HistoryEntry, history
from ivr.sip.grammar.privacy import privacy
from ivr.sip.grammar.rack import RAck
from ivr.sip.grammar.session_expires import SessionExpires
from ivr.sip.identity import asserted_caller, claimed_caller, dialled
from ivr.sip.message import Request, parse
from ivr.wire import WireError
from tests.mutation import damaged
from tests.sip.caller import Caller
from tests.wire import Wire


def _of(read: Callable[[Headers], object]) -> Callable[[str], object]:
    return lambda line: read(Headers.parse([line], 10))


LINES = frozenset({"0810257510", "0810292929"})
PARIS, NATIONAL = "sip:0810257510@pbx.example", "sip:0810292929@pbx.example"


def invite(headers: str, *, to: str = "sip:x@y", from_: str = "sip:0612345678@z") -> Request:
    message = Caller(Wire()).request("INVITE", headers=headers, uri="sip:7001@192.0.2.1")
    text = message.decode("latin-1")
    text = text.replace("<sip:0810257510@192.0.2.1>", f"<{to}>")
    text = text.replace('"Caller" <sip:0612345678@192.0.2.99>', f"<{from_}>")
    request = parse(text.encode("latin-1"))
    assert isinstance(request, Request)
    return request


@pytest.mark.parametrize(
    ("headers", "line"),
    [
        (f"History-Info: <{PARIS}>;index=1, <sip:7001@pbx.example>;index=1.1;mp=1", "0810257510"),
        # In the order of their indices, not of how they stand: the first target was dialled.
        (f"History-Info: <{NATIONAL}>;index=1.10,<{PARIS}>;index=1.9", "0810257510"),
        (f"History-Info: <{PARIS}>;index=1\r\nHistory-Info: <{NATIONAL}>;index=1.1", "0810257510"),
        (f"History-Info: <{PARIS}?Reason=SIP%3Bcause%3D302>;index=1", "0810257510"),
        # The last Diversion is the first that happened.
        (f"Diversion: <{NATIONAL}>;reason=no-answer, <{PARIS}>;reason=deflection", "0810257510"),
        ("Diversion: <tel:0810257510>;reason=unconditional;counter=1", "0810257510"),
        # History-Info goes before Diversion, and a number that is no line of ours is passed over.
        (f"Diversion: <{NATIONAL}>\r\nHistory-Info: <{PARIS}>;index=1", "0810257510"),
        (f"History-Info: <sip:1@b>;index=1\r\nDiversion: <{NATIONAL}>", "0810292929"),
        # What can't be read says nothing.
        (f"History-Info: <{PARIS}>\r\nDiversion: <{NATIONAL}>", "0810292929"),
        (f"History-Info: <{PARIS}>;index=x\r\nDiversion: <{NATIONAL}>", "0810292929"),
        ("History-Info: <<\r\nDiversion: <", "7001"),
        ("X: y", "7001"),
    ],
)
def test_the_number_really_dialled_is_found(headers: str, line: str) -> None:
    assert dialled(invite(headers), "7001", LINES) == line


def test_the_request_uri_goes_first_and_to_last() -> None:
    told = invite(f"Diversion: <{PARIS}>", to=NATIONAL)
    assert dialled(told, "0810292929", LINES) == "0810292929"
    assert dialled(told, "7001", LINES) == "0810257510"
    assert dialled(invite("X: y", to=NATIONAL), "7001", LINES) == "0810292929"


@pytest.mark.parametrize("index", ["", ".", "1.", "1..1", "-1", "x", "99999999999999999999999"])
def test_a_broken_index_is_refused(index: str) -> None:
    with pytest.raises(WireError):
        HistoryEntry.parse(f"<{PARIS}>;index={index}")


@pytest.mark.parametrize(
    ("headers", "caller"),
    [
        ('P-Asserted-Identity: "Jeanne" <sip:+33144556677@carrier.example>', "+33144556677"),
        ("P-Asserted-Identity: <sip:jeanne@a>, <tel:+33-1-44-55-66-77>", "+33144556677"),
        ("P-Asserted-Identity: sip:jeanne@a.example", "jeanne"),
        ("P-Asserted-Identity: <sip:carrier.example>", "0612345678"),
        ("P-Asserted-Identity: <tel:+33144556677>\r\nPrivacy: none", "+33144556677"),
        ("P-Asserted-Identity: <tel:+33144556677>\r\nPrivacy: id", ""),
        ("P-Asserted-Identity: <tel:+33144556677>\r\nPrivacy: critical; ID", ""),
        ("P-Asserted-Identity: <tel:+33144556677>\r\nPrivacy: user;header", ""),
        ("P-Asserted-Identity: <<", "0612345678"),
        ('Privacy: "', "0612345678"),
    ],
)
def test_a_trusted_trunk_tells_who_calls(headers: str, caller: str) -> None:
    assert asserted_caller(invite(headers)) == caller


@pytest.mark.parametrize("uri", ["sip:anonymous@anonymous.invalid", "sip:Anonymous@a", "sip:a.b"])
def test_a_caller_who_gives_no_number_has_none(uri: str) -> None:
    assert claimed_caller(invite("X: y", from_=uri)) == ""


def test_a_number_that_is_asserted_stands_for_an_anonymous_from() -> None:
    told = invite("P-Asserted-Identity: <tel:0144556677>", from_="sip:anonymous@anonymous.invalid")
    assert asserted_caller(told) == "0144556677"


def test_what_is_asserted_counts_only_where_somebody_trusts_it() -> None:
    wire = Wire()
    Caller(wire).invite(headers=f"P-Asserted-Identity: <tel:0144556677>\r\nDiversion: <{PARIS}>")
    invited = wire.only(Invited)
    assert (invited.caller, invited.line) == ("0612345678", "0810257510")


READERS: list[tuple[str, Callable[[str], object]]] = [
    ("history-info: <sip:1@b?Reason=x>;index=1.1;rc=1, <tel:2>;index=1.2", _of(history)),
    ('diversion: "A" <sip:1@b>;reason=no-answer;counter=2, <tel:2>', _of(diversions)),
    ('p-asserted-identity: "A, B" <sip:+331@b>, <tel:+33-1>', _of(asserted_identities)),
    ("privacy: id;critical, user", _of(privacy)),
    ("session-expires: 1800;refresher=uac", SessionExpires.parse),
    ("rack: 776656 1 INVITE", RAck.parse),
]


@pytest.mark.parametrize(("line", "read"), READERS, ids=[line.split(":")[0] for line, _ in READERS])
def test_nothing_but_a_wire_error_comes_of_damage(line: str, read: Callable[[str], object]) -> None:
    name, _, value = line.partition(": ")
    readable = 0
    for data in damaged([value.encode()]):
        text = data.decode("latin-1").replace("\n", " ").replace("\r", " ")
        try:
            read(text if read in (SessionExpires.parse, RAck.parse) else f"{name}: {text}")
            readable += 1
        except WireError:
            pass
    assert 0 < readable < 10_000
