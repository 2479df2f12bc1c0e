"""`gyral devices`: what can run kernels here."""

from typing import Annotated

import typer

from gyral.cli.inventory import absences, device_rows, device_table
from gyral.cli.output import people, print_json


def devices(
    json: Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")] = False,
) -> None:
    """List the devices that can run kernels here, with what they can do."""
    if json:
        print_json(device_rows())
    else:
        people().print(device_table())
        for kind, reason in absences().items():
            people().print(f"no {kind}: {reason}", markup=False, highlight=False, soft_wrap=True)
