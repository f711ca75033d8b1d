"""A problem and a response as chat messages, with the reasoning where a trainer expects it.

Responses end their reasoning in the tags of their model's family. In training data it stands in one way: inside the
response as `<think>\\n...\\n</think>\\n\\n` before what is said, as LLaMA-Factory and the Qwen and DeepSeek chat
templates read it; or, on demand, in a field `reasoning_content` of its own, or nowhere.
"""

from typing import Any

from solver.answers.reasoning import DEFAULT_REASONING, FAMILIES, spoken
from solver.export.asked import Asked
from solver.export.groups import Group, Response

Message = dict[str, Any]


def prompt(group: Group, asked: Asked) -> list[Message]:
    """The problem as the user says it, after the system message where one was given."""
    head = [{"role": "system", "content": asked.system}] if asked.system else []
    return [*head, {"role": "user", "content": group.problem}]


def reply(response: Response, asked: Asked) -> Message:
    """The response as the assistant's message."""
    reasoning, said = parted(response)
    if asked.reasoning == "field":
        return {"role": "assistant", "content": said, "reasoning_content": reasoning}
    if reasoning is None or asked.reasoning == "none":
        return {"role": "assistant", "content": said}
    return {"role": "assistant", "content": tagged(reasoning, said)}


def tagged(reasoning: str, said: str) -> str:
    """Both in one text."""
    return f"<think>\n{reasoning}\n</think>\n\n{said}"


def parted(response: Response) -> tuple[str | None, str]:
    """Reasoning, without its tags, and what was said aloud; None where there is no reasoning apart."""
    text = response.text
    end = response.reasoning_end
    if end is None:  # it states no answer, or has no reasoning apart
        end, closed = spoken(text, DEFAULT_REASONING)
        end = end if closed else 0
    if not end:
        return None, text
    head = text[:end].strip()
    for opening, closing in FAMILIES:
        head = head.removesuffix(closing).removeprefix(opening)
    return head.strip(), text[end:].strip()
