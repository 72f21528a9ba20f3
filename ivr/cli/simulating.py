"""`ivr simulate`: a call in the terminal."""

import asyncio
import sys
from typing import Annotated

import typer

from ivr.cli.common import DEFAULT_CONFIG, ConfigOption, fail, load_config
from ivr.config import Config, LineSection
from ivr.dialplan import simulator
from ivr.dialplan.interpreter import CallContext
from ivr.logs import set_up_logs
from ivr.operator_files import StartError, load_plans
from ivr.parts import open_people
from ivr.prompts import LANGUAGES, PromptError, catalogue


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
    except (StartError, PromptError) as error:
        raise fail(str(error)) from error


async def _simulate(settings: Config, line: LineSection, *, fast: bool) -> None:
    texts = {language: catalogue(settings.prompts, language) for language in LANGUAGES}
    plan = load_plans(settings, {lang: frozenset(ids) for lang, ids in texts.items()})
    people = await open_people(settings)
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
