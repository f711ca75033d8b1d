"""An engine without a model: replies come from a function of the request.

For tests, for measuring everything but the model, and for trying a job file. In a job:

    engine: {kind: scripted, replies: replies.json, slots: 64, seconds: 0.01}

`replies` is a JSON list of texts (drawn by the sample's seed), or an object from a problem's text to such a
list; a relative path is relative to the job file.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from solver.engine import arguments
from solver.engine.confidence import Confidence
from solver.errors import Fault, JobError, nearest
from solver.records import Request, Sample, SampleKey, Status

if TYPE_CHECKING:
    from solver.engine import Watch

FIELDS = ("replies", "slots", "seconds", "context", *arguments.OURS)
DEFAULT_REPLY = "No replies were given, so the answer is \\boxed{0}."


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer: text, how it ended, seconds until it is there; confidences: of its words, 1 where not said."""

    text: str
    status: Status = Status.OK
    seconds: float = 0.0
    error: str | None = None
    confidences: Sequence[float] = ()


Script = Callable[[Request], Reply | str]


class ScriptedEngine:
    """Answers every request by calling `script`; one token is one word.

    slots: requests answered at once, the others wait; context: as of a real engine, in words.
    """

    def __init__(self, script: Script, *, slots: int = 64, context: int | None = None) -> None:
        self.slots = slots
        self.context = context
        self.served = 0
        self.tokens = 0
        self.cancelled = 0
        self._script = script
        self._turn = asyncio.Semaphore(slots)
        self._ended: dict[SampleKey, asyncio.Event] = {}

    async def start(self) -> None:
        """Nothing to load."""

    async def restart(self) -> None:
        """Nothing to load again."""

    async def close(self) -> None:
        """Nothing to free."""

    async def generate(self, request: Request, watch: "Watch | None" = None) -> Sample:
        """The script's reply as a sample; a watch rule sees it word by word."""
        ended = self._ended.setdefault(request.key, asyncio.Event())
        try:
            async with self._turn:
                said = self._script(request)
                reply = Reply(said) if isinstance(said, str) else said
                if ended.is_set() or await _aborted(ended, reply.seconds):
                    self.cancelled += 1
                    reply = replace(reply, status=Status.CANCELLED)
        finally:
            del self._ended[request.key]
        self.served += reply.status is not Status.CANCELLED
        sample = self._sample(request, reply, watch)
        self.tokens += sample.output_tokens
        return sample

    async def abort(self, key: SampleKey) -> None:
        """End one unfinished request now."""
        if key in self._ended:
            self._ended[key].set()

    def _sample(self, request: Request, reply: Reply, watch: "Watch | None") -> Sample:
        words, status = reply.text.split(" "), reply.status
        if status is Status.OK and len(words) > request.sampling.max_tokens:
            words, status = words[: request.sampling.max_tokens], Status.TRUNCATED
        data = None
        if watch is not None and status in (Status.OK, Status.TRUNCATED):
            until, data = _seen(words, reply.confidences, watch)
            words, status = words[:until], status if until is None else Status.STOPPED
        reason = {Status.OK: "stop", Status.TRUNCATED: "length"}.get(status)
        prompt = sum(len(turn["content"].split()) for turn in request.messages)
        text = " ".join(words) if status in (Status.OK, Status.TRUNCATED, Status.STOPPED) else ""
        tokens = len(words) if text else 0
        key, role, seed = request.key, request.role, request.seed
        return Sample(key, role, text, status, reason, prompt, tokens, seed, error=reply.error, data=data)


def _seen(words: Sequence[str], confidences: Sequence[float], watch: "Watch") -> tuple[int | None, str | None]:
    """After how many words the rule ends a reply (None: it does not), and what it keeps of them."""
    if not isinstance(watch, Confidence):
        ends = (count for count in range(1, len(words) + 1) if watch(" ".join(words[:count])))
        return next(ends, None), None
    trace = watch.begin()
    for count in range(1, len(words) + 1):
        if trace.add([confidences[count - 1] if count <= len(confidences) else 1.0]):
            return count, trace.data()
    return None, trace.data()


async def _aborted(ended: asyncio.Event, seconds: float) -> bool:
    """Wait for a reply's time; True when the request was aborted first."""
    if seconds <= 0:
        await asyncio.sleep(0)
        return ended.is_set()
    try:
        await asyncio.wait_for(ended.wait(), seconds)
    except TimeoutError:
        return False
    return True


def faults(fields: Mapping[str, Any]) -> Sequence[Fault]:
    """Unknown keys of a scripted engine's block, and values that cannot be used."""
    found = [
        Fault(f"engine.{k}", "is not a field of this engine", nearest(k, FIELDS)) for k in fields if k not in FIELDS
    ]
    slots, seconds = fields.get("slots", 64), fields.get("seconds", 0)
    if type(slots) is not int or slots < 1:
        found.append(Fault("engine.slots", f"must be a whole number from 1, not {slots!r}"))
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
        found.append(Fault("engine.seconds", f"must be a number from 0, not {seconds!r}"))
    wrong = arguments.hang_fault(fields)
    return found if wrong is None else [*found, wrong]


def from_block(block: Mapping[str, Any]) -> ScriptedEngine:
    """The engine of a job's block. Raises JobError when the replies cannot be read."""
    replies = _replies(block.get("replies"))
    seconds = float(block.get("seconds", 0))

    def script(request: Request) -> Reply:
        asked = request.messages[-1]["content"]
        texts = replies.get(asked, [DEFAULT_REPLY]) if isinstance(replies, dict) else replies
        return Reply(texts[request.seed % len(texts)], seconds=seconds)

    return ScriptedEngine(script, slots=block.get("slots", 64), context=block.get("context"))


def content(path: str) -> str:
    """What stands for the replies in a fingerprint: a hash of the file. Raises JobError when it cannot be read."""
    return hashlib.blake2b(json.dumps(_replies(path)).encode(), digest_size=16).hexdigest()


def _replies(path: str | None) -> list[str] | dict[str, list[str]]:
    if path is None:
        return [DEFAULT_REPLY]
    try:
        loaded = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise JobError([Fault("engine.replies", f"cannot read {path}: {why}")]) from error
    lists = list(loaded.values()) if isinstance(loaded, dict) else [loaded]
    if not all(isinstance(texts, list) and texts and all(isinstance(t, str) for t in texts) for texts in lists):
        fix = "Write a list of texts, or an object from a problem's text to such a list"
        raise JobError([Fault("engine.replies", f"{path} holds no replies", fix)])
    return loaded  # type: ignore[no-any-return]
