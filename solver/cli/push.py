"""`solver push DIR TARGET`: an export to Hugging Face or ModelScope."""

from pathlib import Path

import click

from solver.cli.plain import plain, tell


@click.command()
@click.argument("dir", type=click.Path(exists=True, file_okay=False))
@click.argument("target")
@click.option("--public", is_flag=True, help="Anybody may read it; else it is private.")
def push(dir: str, target: str, public: bool) -> int:
    """Upload the export in DIR to TARGET, hf:OWNER/NAME or modelscope:OWNER/NAME; private unless --public.

    The token is read from HF_TOKEN or MODELSCOPE_API_TOKEN and appears nowhere.
    """
    from solver.export.push import Target
    from solver.export.push import push as upload

    address = upload(Path(dir), Target.read(target), public=public)
    tell(plain(f"{address} ({'public' if public else 'private'})"))
    return 0
