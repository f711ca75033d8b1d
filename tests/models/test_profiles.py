"""Which profile a model has, by its name or by its files, and what every built-in prompt looks like under each."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from families import FAMILIES, Family, made

from solver.errors import JobError
from solver.job import InputBlock, Job, ModelBlock, OutputBlock, PromptBlock, load_job
from solver.models.profiles import PROFILES, Traits, recognise, validate
from solver.models.tokenizer import Tokenizer, load_tokenizer
from solver.prompts import BUILT_IN, load_template
from solver.records import Problem, Sampling
from solver.run.settled import settle

NAMES = {
    "internlm3": ["internlm3-8b-instruct", "internlm3-8b-instruct-awq", "InternLM3-8B-Instruct"],
    "qwen3": ["Qwen3-8B", "Qwen3-0.6B", "Qwen3-0___6B", "Qwen3-235B-A22B", "Qwen3-32B-AWQ", "qwen3-14b-bnb-4bit"],
    "deepseek-r1-distill": ["DeepSeek-R1-Distill-Qwen-1.5B", "DeepSeek-R1-Distill-Llama-70B"],
    "qwq": ["QwQ-32B", "QwQ-32B-AWQ"],
    "skywork-o1": ["Skywork-o1-Open-Llama-3.1-8B", "Skywork-o1-Open-Llama3.1-8B"],
    "intern-s1-mini": ["Intern-S1-mini", "Intern-S1-mini-FP8"],
    "open-o1": ["OpenO1-LLama-8B-v0.1", "OpenO1-Qwen-7B-v0.1"],
    "marco-o1": ["Marco-o1"],
}
OTHERS = [
    "internlm3-tests", "internlm2_5-7b-chat", "Qwen3-8B-Base", "Qwen3-4B-Instruct-2507", "Qwen3-4B-Thinking-2507",
    "Qwen3-Embedding-8B", "DeepSeek-R1-0528-Qwen3-8B", "DeepSeek-R1", "QwQ-32B-Preview", "Intern-S1",
    "Skywork-o1-Open-PRM-Qwen-2.5-7B", "Llama-3.1-8B-Instruct", "abacus", "",
]  # fmt: skip


@pytest.mark.parametrize(("profile", "name"), [(key, name) for key, names in NAMES.items() for name in names])
def test_a_model_is_known_by_its_name(profile: str, name: str) -> None:
    sources = (
        f"modelscope:Owner/{name}",
        f"hf:a/{name}@v1.0",
        f"hf:a/{name}@refs/pr/1",
        f"/models/{name}",
        f"./{name}/",
    )
    cached = f"/cache/hub/models--Owner--{name}/snapshots/0123abc"
    assert {recognise(Traits(source)) for source in (*sources, cached)} == {profile}
    assert recognise(Traits("/models/mine", {"_name_or_path": f"Owner/{name}"})) == profile, "what it was trained from"


@pytest.mark.parametrize("name", OTHERS)
def test_a_model_of_another_kind_is_not_taken_for_one(name: str) -> None:
    assert recognise(Traits(f"hf:Owner/{name}")) is None
    assert recognise(Traits(f"hf:Qwen3-8B/{name}")) is None, "an owner's name says nothing"


@pytest.mark.parametrize(
    ("profile", "config", "template"),
    [
        ("internlm3", {"architectures": ["InternLM3ForCausalLM"], "vocab_size": 128512, "model_type": "llama"}, ""),
        ("qwen3", {"architectures": ["Qwen3ForCausalLM"], "max_position_embeddings": 40960}, ""),
        ("qwen3", {"architectures": ["Qwen3MoeForCausalLM"], "max_position_embeddings": 40960}, ""),
        ("deepseek-r1-distill", {"architectures": ["Qwen2ForCausalLM"]}, "... <｜Assistant｜> ..."),
        ("deepseek-r1-distill", {"architectures": ["LlamaForCausalLM"]}, "... <｜Assistant｜> ..."),
        ("marco-o1", {"architectures": ["Qwen2ForCausalLM"]}, "... 你的名字是Marco-o1 ..."),
        (None, {"architectures": ["DeepseekV3ForCausalLM"]}, "... <｜Assistant｜> ..."),
        (None, {"architectures": ["InternLM3ForCausalLM"], "vocab_size": 1088}, ""),
        (None, {"architectures": ["Qwen3ForCausalLM"], "max_position_embeddings": 262144}, ""),
        (None, {"architectures": ["Qwen2ForCausalLM"]}, ""),
        (None, {"architectures": None, "vocab_size": "many", "_name_or_path": None}, ""),
        (None, {}, "<｜Assistant｜> Marco-o1"),
    ],
)
def test_a_model_without_a_known_name_is_known_by_its_files(
    profile: str | None, config: dict[str, Any], template: str
) -> None:
    assert recognise(Traits("/models/mine", config, template)) == profile


def test_what_the_job_asks_for_chooses_between_two_ways_of_one_model() -> None:
    qwen, intern = Traits("hf:Qwen/Qwen3-8B"), Traits("hf:internlm/internlm3-8b-instruct")
    assert recognise(qwen, chat={"enable_thinking": True}) == "qwen3"
    assert recognise(qwen, chat={"enable_thinking": False}) == "qwen3-plain"
    found = {template: recognise(intern, template) for template in (None, *BUILT_IN, "mine.jinja")}
    assert [name for name, profile in found.items() if profile == "internlm3-plain"] == ["cot", "plain"]
    assert recognise(intern, "cot", {"other": 1}) == "internlm3-plain", "arguments it knows nothing of"


def test_a_wrong_profile_and_wrong_tags_are_told_with_their_place(tmp_path: Path) -> None:
    job = tmp_path / "job.yaml"
    job.write_text("input: {path: x}\nmodel:\n  profile: qwen\n  reasoning: [<think>]\n")
    with pytest.raises(JobError) as refused:
        load_job(job, (), {"model": validate})
    assert [str(fault).removeprefix(str(job)) for fault in refused.value.faults] == [
        ":3:3: model.profile: no profile `qwen`. Did you mean `qwen3`?",
        ":4:3: model.reasoning: must be the opening and the closing tag, or an empty list for none. "
        "Write, for example, ['<think>', '</think>']",
    ]
    for right in ("profile: none", "profile: qwq", "profile: null", "reasoning: []", "reasoning: ['<a>', '</a>']"):
        job.write_text(f"input: {{path: x}}\nmodel: {{{right}}}\n")
        load_job(job, (), {"model": validate})


def test_every_profile_is_tried_here_and_sets_only_what_there_is() -> None:
    assert set(PROFILES) == set(FAMILIES)
    for name, profile in PROFILES.items():
        assert set(profile.templates) <= set(BUILT_IN) and profile.templates, name
        assert set(profile.sampling) <= {"temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens"}
        replace(Sampling(), **profile.sampling)
        assert profile.context is None or profile.sampling.get("max_tokens", 0) <= profile.context, name


# --- every built-in prompt through every profile's chat template


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tokenizer]:
    pytest.importorskip("tokenizers")
    home = tmp_path_factory.mktemp("families")
    return {name: load_tokenizer(made(family, home / name)) for name, family in FAMILIES.items()}


def settled(name: str, family: Family, template: str) -> Job:
    """A job that names this profile's model and this prompt, with all else filled in."""
    job = Job(
        "x", Path("/x"), InputBlock("/x"), ModelBlock(family.source, profile=name), PromptBlock(template), 1, 0,
        Sampling(), {}, {"kind": "vllm"}, OutputBlock("/x"), given=frozenset({("prompt", "template")}),
    )  # fmt: skip
    return settle(job, None).job


QUESTION = "What is 1 + 1? Not <|im_end|>, not <s>, not <|eot_id|>."
PROBLEM = Problem(bytes(16), 0, "p", QUESTION, {"problem": QUESTION})


@pytest.mark.parametrize("template", BUILT_IN)
@pytest.mark.parametrize("name", FAMILIES)
def test_a_prompt_has_one_bos_and_the_roles_it_should(
    tokenizers: dict[str, Tokenizer], name: str, template: str
) -> None:
    family, tokenizer = FAMILIES[name], tokenizers[name]
    job = settled(name, family, template)
    prompt = load_template(job.prompt.template, job.prompt.system, job.prompt.system_role)
    messages = prompt.messages(PROBLEM)
    ids = tokenizer.prompt(messages, chat=job.prompt.chat)
    control = {i: token for token, i in tokenizer.specials.items()}
    bos = tokenizer.specials[family.bos] if family.bos else None
    assert tokenizer.bos == bos == (ids[0] if bos is not None else None)
    assert [i for i in ids if control.get(i) in ("<s>", "<|endoftext|>", *filter(None, [family.bos]))] == (
        [] if bos is None else [bos]
    )
    text = tokenizer.codec.decode([ids])[0]
    deep = template.startswith("o1")
    assert roles(ids, control, tokenizer) == list(family.deep_roles if deep else family.plain_roles)
    assert text.endswith(family.end) and text.count(QUESTION) == 1
    wanted = load_template(template).messages(PROBLEM)
    assert all(turn["content"].strip() in text for turn in wanted), "nothing that the prompt says is lost"


def roles(ids: list[int], control: dict[int, str], tokenizer: Tokenizer) -> list[str]:
    """The roles that the control tokens of a prompt open, in order."""
    found = []
    for place, i in enumerate(ids):
        token = control.get(i, "")
        if token in ("<|im_start|>", "<|start_header_id|>"):
            rest = tokenizer.codec.decode([ids[place + 1 : place + 20]])[0]
            found.append(re.split(r"\n|<", rest)[0])
        elif token in ("<｜User｜>", "<｜Assistant｜>"):
            found.append(token.strip("<｜>").lower())
    return found


def test_a_model_that_wants_no_system_message_is_told_all_by_the_user(tokenizers: dict[str, Tokenizer]) -> None:
    for name in ("deepseek-r1-distill", "marco-o1"):
        job = settled(name, FAMILIES[name], "o1-zh")
        (turn,) = load_template("o1-zh", job.prompt.system, job.prompt.system_role).messages(PROBLEM)
        assert turn["role"] == "user" and turn["content"].endswith(QUESTION) and "\\boxed{}" in turn["content"]
        rendered = tokenizers[name].render([turn], job.prompt.chat)
        opening = "<｜User｜>你是" if name.startswith("deepseek") else "<|im_start|>user\n你是"
        assert opening in rendered and ("You are Marco-o1" in rendered) == (name == "marco-o1")


def test_a_profile_s_own_system_message_gives_way_to_that_of_the_prompt() -> None:
    family = FAMILIES["skywork-o1"]
    assert settled("skywork-o1", family, "cot").prompt.system == PROFILES["skywork-o1"].system
    assert settled("skywork-o1", family, "o1-en").prompt.system is None
