"""`ivr …`: the operator's commands. Bad input gets one clear line and exit 2, never a traceback."""

import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from auth_core.yamlfile import Fault, YamlFaults
from ivr import recordings, server, softphone
from ivr.config import Config, LineSection, load
from ivr.dialplan import simulator
from ivr.dialplan.interpreter import CallContext
from ivr.logs import set_up_logs
from ivr.media.stream import Codec
from ivr.prompts import LANGUAGES, PromptError, catalogue

app = typer.Typer(
    help="The voice server: serve calls, check its files, try a call.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
prompts_app = typer.Typer(help="The recordings of what is said.", no_args_is_help=True)
app.add_typer(prompts_app, name="prompts")

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file.", show_default=True)
]
DEFAULT_CONFIG = Path("config.yaml")
BAD_INPUT = 2
FAULTS = 1


class SipTransport(StrEnum):
    """What a softphone's signalling may travel over."""

    UDP = "udp"
    TCP = "tcp"


def fail(message: str, status: int = BAD_INPUT) -> typer.Exit:
    """Say what is wrong on standard error; the caller raises what is returned."""
    typer.echo(message, err=True)
    return typer.Exit(status)


def load_config(file: Path) -> Config:
    """The checked configuration, or one line for each fault and exit 2."""
    try:
        return load(file)
    except YamlFaults as error:
        raise fail(str(error)) from error
    except OSError as error:
        raise fail(_unreadable(file, error)) from error


def _unreadable(file: Path, error: OSError) -> str:
    reason = error.strerror or type(error).__name__
    return f"{file}: {reason}; name the configuration with --config"


@app.command()
def serve(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Take calls until told to stop (SIGINT or SIGTERM). SIGUSR1 prints what is held just now."""
    settings = load_config(config)
    set_up_logs(settings.log.level, settings.log.format)
    try:
        asyncio.run(_serve(settings))
    except server.StartError as error:
        raise fail(str(error)) from error


async def _serve(settings: Config) -> None:
    running = await server.start(settings)
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    loop.add_signal_handler(signal.SIGUSR1, asked.set)
    _say(running.ready_line)

    async def tell_state() -> None:
        while True:
            await asked.wait()
            asked.clear()
            _say(await running.state())

    teller = asyncio.create_task(tell_state())
    try:
        await over.wait()
    finally:
        teller.cancel()
        await running.stop()


def _say(line: dict[str, object]) -> None:
    print(json.dumps(line), flush=True)


@app.command()
def check(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Tell every fault of the configuration, the dialplans and the prompts; exit 1 if any."""
    try:
        settings = load(config)
    except YamlFaults as error:
        raise fail(str(error), FAULTS) from error
    except OSError as error:
        raise fail(_unreadable(config, error), FAULTS) from error
    faults = [str(fault) for fault in recordings.check(settings.prompts)]
    faults += server.plan_faults(settings)
    for fault in faults:
        typer.echo(fault)
    if faults:
        raise typer.Exit(FAULTS)
    typer.echo(f"{config}, its dialplans and its prompts are in order.")


@app.command()
def simulate(
    config: ConfigOption = DEFAULT_CONFIG,
    line: Annotated[
        str | None, typer.Option(help="The number dialled; default: the first.")
    ] = None,
    fast: Annotated[bool, typer.Option(help="Saying takes no time.")] = False,
) -> None:
    """Live through a call in the terminal: the real flow and rules, without SIP or sound."""
    settings = load_config(config)
    set_up_logs(settings.log.level, settings.log.format)
    dialled = settings.line(line) if line else settings.lines[0]
    if not sys.stdin:
        raise fail("standard input is closed; type keys, or pipe them in")
    if dialled is None:
        known = ", ".join(each.number for each in settings.lines)
        raise fail(f"--line {line}: no such line in {config}; those there are: {known}")
    try:
        asyncio.run(_simulate(settings, dialled, fast=fast))
    except (server.StartError, PromptError) as error:
        raise fail(str(error)) from error


async def _simulate(settings: Config, line: LineSection, *, fast: bool) -> None:
    texts = {language: catalogue(settings.prompts, language) for language in LANGUAGES}
    plan = server.load_plans(settings, {lang: frozenset(ids) for lang, ids in texts.items()})
    people = await server.open_people(settings)
    try:
        context = CallContext(
            call_id="simulated",
            line=line.number,
            caf=line.caf,
            language=line.language,
            hours=line.hours,
            advisor=line.advisor,
        )
        await simulator.simulate(plan[line.dialplan], texts, people, context, fast)
    finally:
        await people.close()


@app.command()
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
        json=as_json,
        max_seconds=max_seconds,
    )
    raise typer.Exit(softphone.run(options))


@prompts_app.command("build")
def prompts_build(
    config: ConfigOption = DEFAULT_CONFIG,
    everything: Annotated[bool, typer.Option(help="All again, but a studio's.")] = False,
) -> None:
    """Make the recordings that are missing or older than their text, with espeak-ng."""
    settings = load_config(config)
    try:
        report = recordings.build(settings.prompts, console=Console(), everything=everything)
    except PromptError as error:
        raise fail(str(error)) from error
    typer.echo(f"{report.made} made, {report.kept} kept, {report.studio} of a studio")
    _tell_faults(report.faults)


@prompts_app.command("check")
def prompts_check(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Tell what is missing, too long, clipped, too quiet or older than its text; exit 1 if any."""
    settings = load_config(config)
    _tell_faults(recordings.check(settings.prompts))
    typer.echo("The recordings are in order.")


@prompts_app.command("list")
def prompts_list(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """List every prompt with its length, its text and where its recording comes from."""
    settings = load_config(config)
    try:
        Console().print(recordings.table(settings.prompts))
    except PromptError as error:
        raise fail(str(error)) from error


def _tell_faults(faults: Sequence[Fault]) -> None:
    for fault in faults:
        typer.echo(str(fault))
    if faults:
        raise typer.Exit(FAULTS)


def main() -> None:
    """The entry point of `ivr`."""
    app()


if __name__ == "__main__":
    main()
