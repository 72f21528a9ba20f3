"""The signalling of the benchmarks' callers."""

import pytest

from benchmarks.ringing import GIVE_UP, T1, Call, Switchboard

ACCEPTED = (
    "SIP/2.0 200 OK\r\nVia: {via}\r\nFrom: {from}\r\nTo: {to};tag=s\r\nCall-ID: {call-id}\r\n"
    "CSeq: {cseq}\r\nContact: <sip:127.0.0.1:5070>\r\n\r\n"
    "v=0\r\nc=IN IP4 127.0.0.9\r\nm=audio 10002 RTP/AVP 8 101\r\n"
)
REFUSED = (
    "SIP/2.0 503 Busy\r\nVia: {via}\r\nFrom: {from}\r\nTo: {to};tag=s\r\nCall-ID: {call-id}\r\n"
    "CSeq: {cseq}\r\n\r\n"
)


@pytest.fixture
def board() -> Switchboard:
    return Switchboard(("127.0.0.1", 5070), "0810257510", 4000)


def placed(board: Switchboard) -> Call:
    call = Call(1, row=0, script=0, delay=0.0, stays=1.0, invited=10.0)
    board.invite(call, 6000)
    return call


def answer(board: Switchboard, reply: str, now: float) -> None:
    """Let the server answer the last request that it was sent."""
    lines = board.out.pop().decode().split("\r\n\r\n")[0].split("\r\n")[1:]
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    board.receive(reply.format_map(headers).encode(), now)


def methods(board: Switchboard) -> list[str]:
    sent = [message.decode().split(" ", 1)[0] for message in board.out]
    board.out.clear()
    return sent


def test_a_call_from_invite_to_bye(board: Switchboard) -> None:
    call = placed(board)
    answer(board, ACCEPTED, 10.2)
    assert methods(board) == ["ACK"]
    assert board.begun == [call]
    assert call.remote == ("127.0.0.9", 10002)
    assert board.tally.set_up == [pytest.approx(0.2)]
    board.hang_up(call, 11.0)
    assert board.out[-1].startswith(b"BYE sip:127.0.0.1:5070 SIP/2.0\r\n")
    answer(board, ACCEPTED, 11.1)
    assert board.waiting == 0
    assert board.ended == [call]


def test_a_200_that_comes_again_is_acknowledged_again(board: Switchboard) -> None:
    placed(board)
    invite = board.out[-1]
    answer(board, ACCEPTED, 10.2)
    board.out.append(invite)
    answer(board, ACCEPTED, 10.7)
    assert methods(board) == ["ACK", "ACK"]
    assert board.tally.answered == 1


def test_a_refusal_is_acknowledged_and_counted(board: Switchboard) -> None:
    call = placed(board)
    answer(board, REFUSED, 10.2)
    assert methods(board) == ["ACK"]
    assert board.tally.statuses == {503: 1}
    assert board.ended == [call]


def test_an_invite_without_an_answer_is_sent_again_and_given_up(board: Switchboard) -> None:
    placed(board)
    sent = []
    for tick in range(100):
        board.out.clear()
        board.advance(10 + tick / 10)
        sent += [tick / 10 for _ in board.out]
    assert sent == [T1, 3 * T1, 7 * T1, 15 * T1]
    assert board.tally.unanswered == 1
    assert GIVE_UP < 10


def test_a_call_that_the_server_ends(board: Switchboard) -> None:
    call = placed(board)
    answer(board, ACCEPTED, 10.2)
    board.out.clear()
    board.receive(b"BYE sip:x SIP/2.0\r\nCall-ID: fleet-4000-1\r\nCSeq: 1 BYE\r\n\r\n", 12.0)
    assert board.out[0].startswith(b"SIP/2.0 200 OK\r\nCall-ID: fleet-4000-1\r\n")
    assert board.tally.hung_up == 1
    assert board.ended == [call]
