"""`start`: begin an agreement."""

from typing import Annotated

import typer

from commands.agreements import start_agreement
from commands.errors import BadInputError
from commands.verbs import Json, out, print_json, verb
from countersign.reference import new_reference
from workflows.messages import AgreementInput


@verb
async def start(
    *,
    title: Annotated[str, typer.Option(help="The document's name, as signers see it.", show_default=False)],
    template: Annotated[str, typer.Option(help="Id of the template to generate from.", show_default=False)],
    signer: Annotated[
        list[str],
        typer.Option(help="Who signs, in order, as 'Name <address>'. Repeatable.", show_default=False),
    ],
    var: Annotated[
        list[str] | None, typer.Option(help="A variable of the template, as Name=value. Repeatable.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="Your order number or the like; one is made if you name none.")
    ] = None,
    json: Json = False,
) -> None:
    """Start an agreement: generate a document, send it, collect signatures, archive it.

    Starting the same reference twice is harmless: it stays one agreement.
    """
    started = await start_agreement(
        AgreementInput.model_validate(
            {
                "reference": reference or new_reference(),
                "title": title,
                "source": {"kind": "template", "template_id": template, "variables": _variables(var or [])},
                "signers": [_signer(each) for each in signer],
            }
        )
    )
    if json:
        print_json(started)
    else:
        out.print(started.reference, markup=False)


def _variables(pairs: list[str]) -> dict[str, str]:
    variables = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise BadInputError(f"--var {name}: write Name=value")
        variables[name] = value
    return variables


def _signer(text: str) -> dict[str, str]:
    name, bracket, rest = text.partition("<")
    if not bracket or not rest.endswith(">"):
        raise BadInputError("--signer: write 'Name <address>'")
    return {"name": name.strip(), "email": rest[:-1].strip()}
