"""What each family of models wants: a table of data, one entry per family and way of use.

In: what is known of a model (the name in the job, and once it is here its config.json and chat template). Out: a
`Profile`, or None for a model without one, which then works from its own generation_config.json. A profile only
fills in what the job does not say (run/settled.py). Nothing here is measured by this project: each entry names the
upstream text that it repeats, and says what could not be verified.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from solver.errors import Fault, nearest
from solver.prompts import BUILT_IN

NO_PROFILE = "none"

_MATHS: Sequence[str] = ("cot", "plain")  # templates without a system message
_DEEP: Sequence[str] = ("o1-zh", "o1-en")
_ANY: Sequence[str] = (*_MATHS, *_DEEP)


@dataclass(frozen=True, slots=True)
class Profile:
    """What one family wants, used one way.

    names: pattern of the model's own name (without its owner), matched from its beginning in lower case; config:
    facts of config.json that it is known by instead, each a value or several; mark: a text in its chat template.
    templates: the built-in prompts that suit, the best first; chat: arguments of the chat template; reasoning: the
    tags it thinks in (the opening one may be missing, as it often belongs to the prompt), None where none are known;
    sampling: fields of the job's block, only those that the source states; system: its own system message, for prompts
    that bring none, or None; system_role: `user` where it wants no system message, so that the prompt's opens the
    user's; stop_ids: ends of a response beside those that its own files name; context: tokens at most, None for
    whatever its config.json says; bos: the token that its prompts begin with, None where they have none or where that
    depends on the size; strict: context and bos were verified, so a longer context or another first token is
    refused, not only said.
    """

    names: str
    templates: Sequence[str]
    config: Mapping[str, Any] = field(default_factory=dict)
    mark: str | None = None
    chat: Mapping[str, Any] = field(default_factory=dict)
    reasoning: tuple[str, str] | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict)
    system: str | None = None
    system_role: str = "system"
    stop_ids: Sequence[int] = ()
    context: int | None = None
    bos: str | None = None
    strict: bool = False


_THINK = ("<think>", "</think>")
_THOUGHT = ("<Thought>", "</Thought>")
_INTERNLM3: Mapping[str, Any] = {
    "names": r"internlm3-8b-instruct",
    "config": {"architectures": ("InternLM3ForCausalLM",), "vocab_size": 128512},
    "stop_ids": (2, 128131),  # </s> and <|im_end|>: generation_config.json
    "context": 32768,  # max_position_embeddings; engines multiply it by the rope factor 6, past the table's end
    "bos": "<s>",
    "strict": True,
}
_QWEN3: Mapping[str, Any] = {  # Qwen3-8B, Qwen3-30B-A3B and so on; not -Base, nor the one-way models of 2507
    "names": r"qwen3-[\d.]+b(?:-a[\d.]+b)?(?!.*(?:base|2507|instruct|thinking))",
    "config": {
        "architectures": ("Qwen3ForCausalLM", "Qwen3MoeForCausalLM"),
        "max_position_embeddings": 40960,  # 32,768 for the output and 8,192 for the prompt (model card)
    },
    "stop_ids": (151645, 151643),  # <|im_end|> and <|endoftext|>: generation_config.json
    "context": 40960,
}
_LLAMA3_ENDS = (128001, 128008, 128009)  # end_of_text, eom_id, eot_id
_SKYWORK = (
    "You are Skywork-o1, a thinking model developed by Skywork AI, specializing in solving complex problems involving "
    "mathematics, coding, and logical reasoning through deep thought. When faced with a user's request, you first "
    "engage in a lengthy and in-depth thinking process to explore possible solutions to the problem. After completing "
    "your thoughts, you then provide a detailed explanation of the solution process in your response."
)

PROFILES: Mapping[str, Profile] = {
    # InternLM README (model card and repository, commit fe4c2eb): temperature 1, top_p 0.8, top_k 40, repetition
    # penalty 1.005 for vLLM; deep thinking is a system message and max_new_tokens 8192. No reasoning tags.
    "internlm3": Profile(
        **_INTERNLM3,
        templates=_DEEP,
        sampling={"temperature": 1.0, "top_p": 0.8, "top_k": 40, "repetition_penalty": 1.005, "max_tokens": 8192},
    ),
    "internlm3-plain": Profile(
        **_INTERNLM3,
        templates=_MATHS,
        sampling={"temperature": 1.0, "top_p": 0.8, "top_k": 40, "repetition_penalty": 1.005},
    ),
    # Qwen3 model card, Best Practices: 0.6 / 0.95 / 20 / min_p 0 while thinking, never greedy; 0.7 / 0.8 / 20 / 0 when
    # not; 32,768 tokens of output; for mathematics the instruction to box the answer is in the prompt.
    "qwen3": Profile(
        **_QWEN3,
        templates=_ANY,
        chat={"enable_thinking": True},
        reasoning=_THINK,
        sampling={"temperature": 0.6, "top_p": 0.95, "top_k": 20, "min_p": 0.0, "max_tokens": 32768},
    ),
    "qwen3-plain": Profile(
        **_QWEN3,
        templates=_ANY,
        chat={"enable_thinking": False},
        sampling={"temperature": 0.7, "top_p": 0.8, "top_k": 20, "min_p": 0.0, "max_tokens": 32768},
    ),
    # DeepSeek-R1 README, Usage Recommendations and evaluation: 0.6 / 0.95, 32,768 tokens at most, no system prompt, the
    # instruction to box the answer in the user's turn, vLLM with --max-model-len 32768. It names no top_k: none is set.
    # The chat template (since February 2025) ends with `<think>`, so responses hold the closing tag alone.
    "deepseek-r1-distill": Profile(
        names=r"deepseek-r1-distill-(?:qwen|llama)",
        templates=_MATHS,
        config={"architectures": ("Qwen2ForCausalLM", "LlamaForCausalLM")},
        mark="<｜Assistant｜>",
        reasoning=_THINK,
        sampling={"temperature": 0.6, "top_p": 0.95, "top_k": 0, "max_tokens": 32768},
        system_role="user",
        context=32768,
        bos="<｜begin▁of▁sentence｜>",
    ),
    # QwQ README, Usage Guidelines: 0.6 / 0.95 / 40 (20 to 40) / min_p 0, no repetition penalty, never greedy; the
    # instruction to box the answer in the prompt; the chat template ends with `<think>`; prompts beyond 8,192 tokens
    # need YaRN. 32,768 tokens of output is its sample code's.
    "qwq": Profile(
        names=r"qwq-32b(?!-preview)",
        templates=_ANY,
        reasoning=_THINK,
        sampling={
            "temperature": 0.6,
            "top_p": 0.95,
            "top_k": 40,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "max_tokens": 32768,
        },
        stop_ids=(151645, 151643),  # not verified: as of the Qwen2.5 models that it stems from
        context=40960,
    ),
    # Skywork-o1 model card: the system prompt (word for word in LLaMA-Factory and ms-swift too), the chat format of
    # Llama 3.1. No sampling could be verified (OpenCompass: greedy, 8192 tokens), so generation_config.json decides.
    "skywork-o1": Profile(
        names=r"skywork-o1-open-llama-?3\.1-8b",
        templates=_MATHS,
        system=_SKYWORK,
        stop_ids=_LLAMA3_ENDS,
        bos="<|begin_of_text|>",
    ),
    # InternLM/Intern-S1, docs/interns1_user_guide.md (commit c513677): 0.8 / 1.0 / 50 / min_p 0; thinking is on unless
    # enable_thinking is false; max_new_tokens 32768. The tags are named by the thinking prompt of lmdeploy's template
    # `interns1`; the published chat template itself was not seen. The model ships its own code.
    "intern-s1-mini": Profile(
        names=r"intern-s1-mini",
        templates=_MATHS,
        chat={"enable_thinking": True},
        reasoning=_THINK,
        sampling={"temperature": 0.8, "top_p": 1.0, "top_k": 50, "min_p": 0.0, "max_tokens": 32768},
        stop_ids=(151645,),  # <|im_end|> of Qwen3, which it stems from; not verified
        context=40960,  # of Qwen3-8B; not verified
    ),
    # Open-O1 README: chat format of Llama 3.1 (or Qwen2.5), thought first, then output; its demo samples by the model's
    # own generation_config.json, 8192 tokens. The tags are those of its data set OpenO1-SFT; not in the README.
    "open-o1": Profile(
        names=r"openo1-(?:llama|qwen)",
        templates=_MATHS,
        reasoning=_THOUGHT,
        sampling={"max_tokens": 8192},
    ),
    # Marco-o1 repository, src/talk_with_model_vllm.py: messages without a system turn, so that the chat template's own
    # (which asks for <Thought> and <Output>) stands. The script is greedy, which is of no use to a vote, so
    # generation_config.json decides. <|im_end|> as of Qwen2-7B-Instruct, which it stems from.
    "marco-o1": Profile(
        names=r"marco-o1",
        templates=_MATHS,
        config={"architectures": ("Qwen2ForCausalLM",)},
        mark="Marco-o1",
        reasoning=_THOUGHT,
        system_role="user",
        stop_ids=(151645, 151643),
        context=32768,
    ),
}


def validate(block: Mapping[str, Any]) -> Sequence[Fault]:
    """Every fault of `profile` and `reasoning` in a `model:` block."""
    faults = []
    name, tags = block.get("profile"), block.get("reasoning")
    if isinstance(name, str) and name not in (NO_PROFILE, *PROFILES):
        fix = nearest(name, (NO_PROFILE, *PROFILES))
        faults.append(Fault("model.profile", f"no profile `{name}`", fix))
    if isinstance(tags, list) and tags and (len(tags) != 2 or "" in tags):
        what = "must be the opening and the closing tag, or an empty list for none"
        faults.append(Fault("model.reasoning", what, "Write, for example, ['<think>', '</think>']"))
    return faults


@dataclass(frozen=True, slots=True)
class Traits:
    """What is known of a model: source and path name it; config and template once its files are here."""

    source: str
    config: Mapping[str, Any] = field(default_factory=dict)
    template: str = ""


def recognise(traits: Traits, template: str | None = None, chat: Mapping[str, Any] | None = None) -> str | None:
    """The name of a model's profile, or None.

    Of a family that is used in several ways, the first that fits what the job asks for: its prompt template (None
    where it names none) and arguments of the chat template.
    """
    known = [name for name, profile in PROFILES.items() if _named(profile, traits)]
    known = known or [name for name, profile in PROFILES.items() if _alike(profile, traits)]
    asked = chat or {}
    for name in known:
        profile = PROFILES[name]
        suits = template is None or template not in BUILT_IN or template in profile.templates
        if suits and all(asked.get(key, value) == value for key, value in profile.chat.items()):
            return name
    return known[0] if known else None


def _named(profile: Profile, traits: Traits) -> bool:
    """Whether the job's name of the model, or the one it was trained from, is of this family."""
    names = (traits.source, str(traits.config.get("_name_or_path") or ""))
    return any(re.match(profile.names, _own_name(name)) for name in names)


def _own_name(source: str) -> str:
    """A model's name without hub, owner and revision, in lower case; of the hubs' own caches as well."""
    if source.startswith(("modelscope:", "hf:")):
        source = source.partition("@")[0]
    parts = [part for part in source.split("/") if part] or [""]
    cached = [part for part in parts if part.startswith("models--")]  # models--Owner--Name/snapshots/COMMIT
    return (cached or parts)[-1].rpartition("--")[2].replace("___", ".").lower()


def _alike(profile: Profile, traits: Traits) -> bool:
    """Whether its files are of this family."""
    if not profile.config or (profile.mark and profile.mark not in traits.template):
        return False
    return all(_fits(traits.config.get(key), wanted) for key, wanted in profile.config.items())


def _fits(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, tuple):
        return isinstance(value, list) and bool(set(wanted) & set(map(str, value)))
    return bool(value == wanted)
