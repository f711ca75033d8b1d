"""What a run's samples are known by: canonical hashes, and the generation fingerprint of a job.

In: a job as settled, and facts that only the caller knows. Out: flat keys; the samples of a run directory share them.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from solver.job import Job
from solver.schema import scalars


def canonical_hash(value: Any) -> str:
    """128-bit BLAKE2b, in hex, of a JSON value's canonical text: sorted keys, no spaces, floats as `repr`.

    Raises TypeError or ValueError for what JSON does not hold, NaN and infinities among it.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def generation_fingerprint(job: Job, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What changes the distribution of a run's samples, as dotted key -> JSON scalar.

    From the job: all of `sampling` with its seed, but not n, max_tokens and logprobs; the system prompt and the
    arguments of the chat template. Values that the environment had a part in stand as hashes.
    facts: what only the caller knows: hashes of model content, tokenizer, chat template and prompt template text,
    dtype, quantization, engine fields other than scheduling. Raises ValueError when one takes a job's key.
    """
    sampling = asdict(job.sampling) | {"seed": job.seed}
    del sampling["max_tokens"], sampling["logprobs"]
    told = {"sampling": sampling, "prompt": {"system": job.prompt.system, "chat": job.prompt.chat}}
    if job.prompt.system_role != "system":  # only then, for the sake of runs made before there was a choice
        told["prompt"]["system_role"] = job.prompt.system_role
    ours = {".".join(keys): scalar for keys, scalar in scalars(told, ())}
    known = {".".join(keys): scalar for name, fact in facts.items() for keys, scalar in scalars(fact, (name,))}
    if taken := sorted(ours.keys() & known.keys()):
        raise ValueError(f"facts take keys of the job: {taken}")
    secret = {".".join(keys) for keys in job.unexpanded}
    hidden = {key: f"blake2b:{canonical_hash(scalar)}" for key, scalar in (ours | known).items() if key in secret}
    return ours | known | hidden
