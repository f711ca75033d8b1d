"""`solver models`: bring a model here whole, look whether it still is, and say which are here."""

import json
import sys
from pathlib import Path

import click

from solver.cli.plain import say, tell
from solver.cli.run import json_option
from solver.errors import Fault, ModelError

revision_option = click.option("--revision", metavar="REVISION", help="Branch, tag or commit; as @REVISION in NAME.")


@click.group()
def models() -> None:
    """Pull, verify and list models.

    NAME is modelscope:OWNER/NAME, hf:OWNER/NAME (with @REVISION or without), or a short name that `solver models list`
    shows, such as internlm3-8b. Models lie under $SOLVER_HOME/models, by default ~/.cache/solver/models.
    """


@models.command()
@click.argument("name")
@revision_option
@click.option("--quiet", is_flag=True, help="Show no progress and no notes.")
@json_option
def pull(name: str, revision: str | None, quiet: bool, as_json: bool) -> None:
    """Download the model NAME, or what is missing of it, and verify every file against its hub's listing.

    Goes on from what an interrupted download left. Files that modelscope or huggingface_hub downloaded before are
    verified and linked. Only safetensors are fetched, never pickled weights. Prints the model's directory.
    """
    from solver.models import manifest
    from solver.models.pull import pull as pull_model
    from solver.models.sources import parse

    source = parse(name, revision)
    if source is None:
        raise _no_hub(name)
    path = pull_model(source, (lambda _: None) if quiet else say, live=not quiet)
    known = manifest.read(path)
    assert known is not None
    if as_json:
        told = {"source": str(source), "path": str(path), "revision": known.pinned, "origin": known.origin}
        tell(json.dumps(told | {"files": len(known.files), "bytes": sum(file.size for file in known.files.values())}))
        return
    tell(str(path))
    sys.stdout.flush()


@models.command()
@click.argument("name")
@revision_option
@click.option("--quiet", is_flag=True, help="Show no progress.")
@json_option
def verify(name: str, revision: str | None, quiet: bool, as_json: bool) -> int:
    """Read every byte of the pulled model NAME (or of its directory) and say what differs. Asks no hub.

    Ends with exit code 2 where anything differs; no run starts from such a directory until it is pulled again.
    """
    from solver.models import manifest, places
    from solver.models.pull import verify as verify_model
    from solver.models.sources import parse

    source = parse(name, revision)
    path = Path(name) if source is None else places.pulled(source)
    if path is None:
        raise ModelError([Fault(str(source), "was not pulled to this machine", f"Run {source.pull}" if source else "")])
    if source is None and not path.is_dir():
        raise _no_hub(name)
    differs = verify_model(path, (lambda _: None) if quiet else say, live=not quiet)
    known = manifest.read(path)
    assert known is not None
    if as_json:
        tell(json.dumps({"path": str(path), "source": known.source, "differs": differs}))
        return ModelError.exit_code if differs else 0
    if differs:
        mend = f"solver models pull {known.source}"
        raise ModelError([Fault(str(path), what, f"To mend it: {mend}") for what in differs])
    tell(f"{path}: all {len(known.files)} files are as they were pulled ({known.origin})")
    return 0


@models.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """Show the pulled models and the short names."""
    from solver.models import manifest, places
    from solver.models.sources import SHORT_NAMES
    from solver.models.workers import readable

    here = [(path, known) for path in places.every() if (known := manifest.read(path)) is not None]
    if as_json:
        pulled = [{"source": known.source, "revision": known.pinned, "path": str(path)} for path, known in here]
        tell(json.dumps({"pulled": pulled, "short_names": dict(SHORT_NAMES)}))
        return
    for path, known in here:
        changed = "; changed since: solver models verify" if manifest.changes(path, known) else ""
        tell(f"{known.source}  {readable(sum(file.size for file in known.files.values()))}  {path}{changed}")
    tell("\n".join([*([""] if here else []), "short names:", *(f"  {n:<28}{s}" for n, s in SHORT_NAMES.items())]))


def _no_hub(name: str) -> ModelError:
    from solver.models.sources import nearest_name

    fix = nearest_name(name) or "Give modelscope:OWNER/NAME, hf:OWNER/NAME or a name from `solver models list`"
    return ModelError([Fault(name, "is no model on a hub", fix)])
