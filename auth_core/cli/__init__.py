"""`auth-core …`: the database, its demo, secrets, and back-office acts.

Secrets come on standard input, never as arguments. Bad input gets one clear line and exit 2; what
was asked but is refused gets exit 1.
"""

import sys

import typer
from typer.exceptions import TyperException

from auth_core.cli import acts, clients, database, importing, passwords, story
from auth_core.cli.console import BAD_INPUT
from auth_core.delivery.cli import deliver

app = typer.Typer(
    help="The authentication core: its database, its demo, secrets, back-office acts.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (
    database.migrate,
    database.demo,
    database.rotate_pepper,
    database.purge,
    story.show,
    story.verify_audit,
    passwords.create_password,
    passwords.check_password,
    passwords.lost_password,
    acts.unlock,
    acts.nims,
    acts.separation,
    acts.transfer,
    acts.affiliate,
    acts.close,
    acts.register,
    acts.redeem,
    acts.expire,
    clients.add_client,
    clients.remove_client,
    clients.clients,
    importing.import_pins,
    importing.seal_pins,
    deliver,
):
    app.command()(command)
app.command("import")(importing.import_csv)


def main() -> None:
    """The entry point of `auth-core`."""
    try:
        status = app(standalone_mode=False)
    except TyperException as error:
        # Empty when the help has just been printed instead.
        if message := error.format_message():
            typer.echo(f"auth-core: {message}", err=True)
        status = BAD_INPUT
    sys.exit(status)
