"""`ivr …`: the operator's commands. Bad input gets one clear line and exit 2, never a traceback."""

import typer

from ivr.cli import calling, checking, console, dialplans, prompts, serving, simulating

app = typer.Typer(
    help="The voice server: serve calls, check its files, try a call.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (
    serving.serve,
    serving.reload,
    serving.log_level,
    checking.check,
    checking.schema,
    simulating.simulate,
    calling.call,
):
    app.command()(command)
app.add_typer(prompts.app, name="prompts")
app.add_typer(dialplans.app, name="dialplan")
app.add_typer(console.app, name="console")


def main() -> None:
    """The entry point of `ivr`."""
    app()
