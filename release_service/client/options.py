"""Options that several commands share."""

from typing import Annotated

import typer

ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        envvar="GNOME_RELEASE_SERVER",
        help="URL of the release service, or a profile's name.",
        show_default="the default profile",
    ),
]
TokenEnvOption = Annotated[
    str | None,
    typer.Option(
        "--token-env",
        metavar="NAME",
        help="Variable that holds a CI job's ID token.",
        show_default="GNOME_RELEASE_TOKEN; in a GitLab job, whichever holds one",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON.")]
SignOption = Annotated[bool, typer.Option("--sign", help="Sign with your gpg, and send the signature along.")]
LocalUserOption = Annotated[
    str | None, typer.Option("--local-user", "-u", metavar="KEY", help="Sign with this key, not with gpg's default.")
]
