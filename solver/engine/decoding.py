"""Token ids -> text in bulk, in a thread beside the event loop: 1.5 microseconds a token where vLLM takes 24."""

import asyncio
from collections.abc import Sequence

from solver.models.tokenizer import Tokenizer

CONTEXT = 4  # tokens before a continuation that decide whether it begins with a space
BROKEN = "\ufffd"  # what is left of a character whose bytes were cut apart


class BulkDecoder:
    """Token ids -> text, many responses a time, in a thread beside the event loop."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._waiting: list[tuple[Sequence[int], asyncio.Future[str]]] = []
        self._work: asyncio.Task[None] | None = None

    async def decode(self, ids: Sequence[int], before: Sequence[int] = ()) -> str:
        """The text of one response, together with whatever else is waiting.

        before: ids of the text that it goes on from, without which many tokenizers drop a first space.
        """
        if before:
            known = list(before[-CONTEXT:])
            whole, head = await asyncio.gather(self.decode([*known, *ids]), self.decode(known))
            head = head.rstrip(BROKEN)  # a character may be cut in two: the second part then has it whole
            return whole[len(head) :] if whole.startswith(head) else await self.decode(ids)
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append((ids, future))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            texts = await asyncio.to_thread(self._texts, [ids for ids, _ in batch])
            for (_, future), text in zip(batch, texts, strict=True):
                if future.done():
                    continue
                if isinstance(text, str):
                    future.set_result(text)
                else:
                    future.set_exception(text)

    def _texts(self, batch: Sequence[Sequence[int]]) -> Sequence[str | Exception]:
        """All texts at once; one by one when a response cannot be decoded, so that the others can."""
        try:
            return self._tokenizer.decode(batch)
        except Exception as error:  # a tokenizer from a model's repository raises what it likes
            return [error] if len(batch) == 1 else [text for ids in batch for text in self._texts([ids])]
