"""`up`: the local stack, until Ctrl-C."""

from commands.local import local_stack
from commands.verbs import out, verb


@verb
async def up() -> None:
    """Run Temporal with its UI, the sandbox, the webhook door and a worker, until Ctrl-C."""
    async with local_stack() as stack:
        out.print(f"Temporal UI   {stack.ui_url}")
        out.print(f"Temporal      {stack.temporal_address}")
        out.print(f"sandbox       {stack.sandbox.url}")
        out.print(f"webhook door  {stack.door_url}")
        out.print(f"signed PDFs   {stack.store}")
        out.print("Ctrl-C stops everything; the next start goes on where this one ended.")
        await stack.supervisor.wait_for_failure()
