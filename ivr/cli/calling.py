"""`ivr call`: a telephone."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ivr import softphone
from ivr.media.stream import Codec
from ivr.sip.sdp import SecureSound


class SipTransport(StrEnum):
    """What a softphone's signalling may travel over."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


def call(
    uri: Annotated[str, typer.Argument(help="Whom to ring: sip:0810257510@127.0.0.1")],
    keys: Annotated[
        str,
        typer.Option(help="Keys to press; a comma waits for the prompt to end; - reads them."),
    ] = "",
    record: Annotated[Path | None, typer.Option(help="WAV file for what is heard.")] = None,
    way: Annotated[softphone.Way, typer.Option(help="How keys travel.")] = softphone.Way.RFC4733,
    transport: Annotated[SipTransport, typer.Option(help="How SIP travels.")] = SipTransport.UDP,
    caller: Annotated[str, typer.Option(help="Our number.")] = softphone.Options().caller,
    codec: Annotated[Codec, typer.Option(help="The encoding preferred.")] = Codec.PCMA,
    play: Annotated[Path | None, typer.Option(help="WAV file to say once answered.")] = None,
    srtp: Annotated[SecureSound, typer.Option(help="Secure sound.")] = SecureSound.OFF,
    tls_authorities: Annotated[
        Path | None, typer.Option(help="PEM file: whom to believe over TLS; default: anybody.")
    ] = None,
    tls_certificate: Annotated[
        Path | None, typer.Option(help="PEM file: our certificate, where we are asked for one.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file: its key.")] = None,
    refuse_transfer: Annotated[bool, typer.Option(help="Answer a transfer with 603.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per event.")] = False,
    max_seconds: Annotated[float, typer.Option(help="Hang up after so long.")] = 120.0,
) -> None:
    """Ring a SIP address as a softphone: press keys, tell what is heard and when."""
    options = softphone.Options(
        uri=uri,
        keys=keys,
        record=record,
        way=way,
        transport=transport.value,
        caller=caller,
        codec=codec.value,
        play=play,
        refuse_transfer=refuse_transfer,
        srtp=srtp.value,
        tls_authorities=tls_authorities,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        json=as_json,
        max_seconds=max_seconds,
    )
    raise typer.Exit(softphone.run(options))
