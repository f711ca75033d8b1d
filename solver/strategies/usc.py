"""Universal self-consistency: the model reads its own responses and names the most consistent one.

Source: Chen et al. 2023, "Universal Self-Consistency for Large Language Model Generation", arXiv 2311.17311. One
further call for each problem whose answers differ; the wording is our own. For answers that no rule can compare.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from solver.errors import Fault
from solver.records import Candidate, Message
from solver.strategies.context import Context
from solver.strategies.weighing import Majority

SHOWN = 2000
"""Characters of each response that are shown, counted from its end, where the conclusion stands."""
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_NAMED = re.compile(r"(?:response|回答)\s*[#:：]?\s*(\d+)", re.IGNORECASE)

_WORDS = {
    "en": (
        "Several people worked on the same problem independently. The problem:\n\n{problem}\n",
        "Response {number}:\n{text}\n",
        "Compare the {count} responses. Which single one agrees best with what most of them conclude? End with the line"
        ' "Response N", with its number for N.',
    ),
    "zh": (
        "几个人各自独立解答了同一道题。题目：\n\n{problem}\n",
        "回答 {number}：\n{text}\n",
        "请比较这 {count} 个回答：哪一个与多数回答的结论最为一致？最后单独一行写“回答 N”，N 为它的编号。",
    ),
}


class Usc(Majority):
    """One call that shows all responses and asks for the most consistent; where no number can be read from the reply,
    the majority. language: `zh` or `en`, by default that of the problem."""

    fields: ClassVar[frozenset[str]] = frozenset({"language"})

    def __init__(self, block: Mapping[str, Any]) -> None:
        self._language: str | None = block.get("language")
        self.parameters = {"rule": "usc"} | ({"language": self._language} if self._language else {})

    @classmethod
    def faults(cls, block: Mapping[str, Any]) -> list[Fault]:
        """What is wrong with the values of its fields."""
        given = block.get("language", "en")
        return [] if given in _WORDS else [Fault("choose.language", f"must be `zh` or `en`, not {given!r}")]

    async def weights(self, ctx: Context, candidates: Sequence[Candidate]) -> Sequence[float] | None:
        """1 for the response that the model names, 0 for the others; None where all agree or it names none."""
        voters = [number for number, candidate in enumerate(candidates) if candidate.class_id is not None]
        if len({candidates[number].class_id for number in voters}) < 2:
            return None
        texts = [ctx.said(candidates[n]).text[candidates[n].reasoning_end or 0 :].strip()[-SHOWN:] for n in voters]
        language = self._language or ("zh" if _CHINESE.search(ctx.problem.text) else "en")
        asked = question(ctx.problem.text, texts, language)
        (reply,) = await ctx.sample(1, path="usc", role="choose", messages=asked, temperature=0.0)
        named = chosen(reply.text, len(voters)) if reply.usable else None
        return None if named is None else [float(number == voters[named]) for number in range(len(candidates))]


def question(problem: str, texts: Sequence[str], language: str) -> list[Message]:
    """The chat that shows all responses, numbered from 1."""
    opening, each, closing = _WORDS[language]
    shown = [each.format(number=number, text=text) for number, text in enumerate(texts, 1)]
    parts = [opening.format(problem=problem), *shown, closing.format(count=len(texts))]
    return [{"role": "user", "content": "\n".join(parts)}]


def chosen(reply: str, count: int) -> int | None:
    """The place, from 0, of the response that the reply names last; None when it names none of the `count`."""
    named = _NAMED.findall(reply) or (re.findall(r"\d+", reply) if len(re.findall(r"\d+", reply)) == 1 else [])
    place = int(named[-1]) if named and len(named[-1]) < 9 else 0
    return place - 1 if 1 <= place <= count else None
