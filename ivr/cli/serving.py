"""`ivr serve` and what is asked of a server that runs."""

import asyncio
import json
import resource
import signal
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import structlog
import typer

from auth_core.service_manager import ServiceManager
from auth_core.yamlfile import YamlFaults
from ivr import control, logs
from ivr.cli.common import BAD_INPUT, DEFAULT_CONFIG, FAULTS, ConfigOption, fail, load_config
from ivr.config import Config, load
from ivr.garbage import collect_when_quiet, in_our_hands, keep_the_young_few
from ivr.histogram import Histogram
from ivr.logs import Level, set_up_logs
from ivr.operator_files import StartError
from ivr.start import start
from ivr.steps import STEP_BOUNDS, timed_loop

log = structlog.get_logger(__name__)

STOP_SECONDS = 30
"""How long the end may take once the calls are over, or their time is."""


class LogLevel(StrEnum):
    """`ivr.logs.Level`, as a command takes it."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def serve(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Take calls until SIGTERM (no new calls, exit after the last) or SIGINT (end them all).

    SIGUSR1 prints what is held just now; SIGHUP takes the files anew, as `ivr reload` does;
    SIGUSR2 logs everything, and with the next one what the configuration says.
    """
    settings = load_config(config)
    set_up_logs(settings.log.level, settings.log.format)
    # Each connection takes a descriptor, and the usual limit of 1,024 is soft.
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    try:
        steps = Histogram(STEP_BOUNDS)
        with asyncio.Runner(loop_factory=lambda: timed_loop(steps)) as runner:
            runner.run(_serve(config, settings, steps))
    except StartError as error:
        raise fail(str(error)) from error


async def _serve(file: Path, settings: Config, steps: Histogram) -> None:
    manager = ServiceManager()
    running = await start(file, settings, steps)
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    asked = asyncio.Event()
    again = asyncio.Event()

    def end(*, at_once: bool) -> None:
        """SIGTERM lets calls end, SIGINT ends them; either one, coming second, hurries."""
        if at_once or told.is_set():
            running.hurry()
        told.set()

    loop.add_signal_handler(signal.SIGTERM, lambda: end(at_once=False))
    loop.add_signal_handler(signal.SIGINT, lambda: end(at_once=True))
    loop.add_signal_handler(signal.SIGUSR1, asked.set)
    loop.add_signal_handler(signal.SIGUSR2, lambda: _toggle_level(running.config.log.level))
    loop.add_signal_handler(signal.SIGHUP, again.set)

    def status() -> str:
        return f"{len(running.calls)} calls"

    manager.ready(status())
    _say(running.ready_line)

    async def tell_state() -> None:
        while True:
            await asked.wait()
            asked.clear()
            _say(await running.state())

    async def reload() -> None:
        while True:
            await again.wait()
            again.clear()
            await running.reload()

    beside = [
        asyncio.create_task(each)
        for each in (
            tell_state(),
            reload(),
            collect_when_quiet(lambda: len(running.calls)),
            keep_the_young_few(),
            manager.keep_informed(status),
        )
    ]
    try:
        with in_our_hands():
            await told.wait()
            manager.stopping(status(), running.config.sip.drain_seconds + STOP_SECONDS)
            await running.drain()
    finally:
        for task in beside:
            task.cancel()
        await running.stop()


def _toggle_level(configured: Level) -> None:
    level: Level = "debug" if logs.level() != "debug" else configured
    logs.set_level(level)
    log.warning("log level changed", to=level)


def _say(line: dict[str, object]) -> None:
    print(json.dumps(line), flush=True)


def reload(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Have the running server take its files anew for new calls; calls in progress keep theirs.

    A change with a fault is refused whole: every fault is told, as by `ivr check`, exit 1.
    """
    try:
        answer = control.ask(_control_of(config), "reload")
    except control.NobodyThere as error:
        raise _nobody(config, error) from error
    for fault in answer["faults"]:
        typer.echo(fault)
    if answer["faults"]:
        typer.echo(f"Refused; version {answer['version']} stays in force.", err=True)
        raise typer.Exit(FAULTS)
    typer.echo(f"Version {answer['version']} is in force for new calls.")


def log_level(
    level: Annotated[LogLevel, typer.Argument(help="What is logged from now on.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Change what the running server logs, until it ends or is told otherwise."""
    try:
        answer = control.ask(_control_of(config), f"log-level {level}")
    except control.NobodyThere as error:
        raise _nobody(config, error) from error
    typer.echo(f"Logs {answer['level']} from now on; it was {answer['before']}.")


def _nobody(config: Path, error: Exception) -> typer.Exit:
    return fail(f"no server runs with {config} ({error}); start one: ivr serve", BAD_INPUT)


def _control_of(file: Path) -> Path:
    """Where the server listens; for a configuration that is at fault, where most do."""
    try:
        return load(file).control
    except (YamlFaults, OSError):
        usual: Path = Config.model_fields["control"].default
        return file.parent / usual
