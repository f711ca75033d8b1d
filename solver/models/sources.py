"""What a job or a user calls a model -> where it comes from. Text in, `Source` out; nothing is looked at.

`modelscope:OWNER/NAME@REVISION`, `hf:OWNER/NAME@REVISION`, a short name such as `internlm3-8b`, or a local path.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING
from urllib.parse import quote

from solver.errors import Fault, ModelError

if TYPE_CHECKING:
    from solver.strict_yaml import Document

HUBS: Mapping[str, tuple[str, str]] = {"modelscope": ("ModelScope", "master"), "hf": ("Hugging Face", "main")}
"""A hub's prefix -> its name, and what it calls its main line."""

SHORT_NAMES: Mapping[str, str] = {
    "internlm3-8b": "modelscope:Shanghai_AI_Laboratory/internlm3-8b-instruct",
    "qwen3-8b": "modelscope:Qwen/Qwen3-8B",
    "deepseek-r1-distill-qwen-7b": "modelscope:deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",
    "qwq-32b": "modelscope:Qwen/QwQ-32B",
    "intern-s1-mini": "modelscope:Shanghai_AI_Laboratory/Intern-S1-mini",
    # These three are known to be on Hugging Face; copies on ModelScope could not be confirmed.
    "skywork-o1-llama-3.1-8b": "hf:Skywork/Skywork-o1-Open-Llama-3.1-8B",
    "open-o1-llama-8b": "hf:O1-OPEN/OpenO1-LLama-8B-v0.1",
    "marco-o1": "hf:AIDC-AI/Marco-o1",
}
"""Short names -> sources, on the main line of their hub."""

FORM = r"(?:modelscope|hf):[\w-][\w.-]*/[\w-][\w.-]*(?:@\w[\w./+-]*)?"
_HUB = re.compile(r"(?P<hub>modelscope|hf):(?P<name>[\w-][\w.-]*/[\w-][\w.-]*)(?:@(?P<revision>\w[\w./+-]*))?")


@dataclass(frozen=True, slots=True)
class Source:
    """A model on a hub. name: `OWNER/NAME`; revision: branch, tag or commit as asked for."""

    hub: str
    name: str
    revision: str

    def __str__(self) -> str:
        """As a user writes it; the main line is not spelled out."""
        return self.plain if self.revision == HUBS[self.hub][1] else f"{self.plain}@{self.revision}"

    @property
    def plain(self) -> str:
        """Without the revision."""
        return f"{self.hub}:{self.name}"

    @property
    def folder(self) -> str:
        """The name as one folder: `OWNER--NAME`."""
        return self.name.replace("/", "--")

    @property
    def pull(self) -> str:
        """The command that brings this model here, or mends it."""
        return f"solver models pull {self}"


def as_folder(revision: str) -> str:
    """A revision as the name of one folder or file that no path can come out of."""
    return quote(revision, safe="").lstrip(".") or "_"


def lengthen(text: str) -> str:
    """The source that a short name stands for, its `@REVISION` kept; any other text as it is."""
    name, at, revision = text.partition("@")
    return SHORT_NAMES[name] + at + revision if name in SHORT_NAMES else text


def is_hub(text: str) -> bool:
    """Whether a source names a model on a hub, and not a local path."""
    return text.startswith(("modelscope:", "hf:"))


def revision_in(text: str) -> str | None:
    """The revision that a hub's source carries behind `@`."""
    known = _HUB.fullmatch(text)
    return known["revision"] if known else None


def parse(text: str, revision: str | None = None) -> Source | None:
    """Where on a hub a model is; None for a local path.

    revision: the one given apart. Raises ModelError for a form that no hub has, and where two revisions contradict each
    other.
    """
    text = lengthen(text)
    if not is_hub(text):
        return None
    known = _HUB.fullmatch(text)
    if known is None or ".." in (known["revision"] or "").split("/"):
        rule = "a model is modelscope:OWNER/NAME, hf:OWNER/NAME (with @REVISION or without) or a local path"
        raise ModelError([Fault("model.source", f"{rule}, not `{text}`")])
    inside, main = known["revision"], HUBS[known["hub"]][1]
    if inside and revision and revision != inside:
        raise ModelError([contradiction(inside, revision)])
    asked = inside or revision or main
    return Source(known["hub"], known["name"], main if (known["hub"], asked) == ("hf", "master") else asked)


def contradiction(inside: str, apart: str) -> Fault:
    """The fault of a source that carries one revision where another is given."""
    what = f"is `{apart}`, but model.source asks for `{inside}`"
    return Fault("model.revision", what, "Leave one of them out")


def settle(document: "Document") -> None:
    """In a job's document, write the model's short name out, and its revision: the one that the source carries, or the
    main line of its hub. What contradicts is noted as a fault."""
    model = document.value["model"]
    if not isinstance(model, dict) or not isinstance(source := model.get("source"), str):
        return
    model["source"] = source = lengthen(source)
    inside = revision_in(source)
    if "revision" not in model:
        model["revision"] = inside or HUBS["hf" if source.startswith("hf:") else "modelscope"][1]
        written = document.unexpanded.get(("model", "source"), "")
        if inside and "@" in written:
            document.unexpanded["model", "revision"] = written.partition("@")[2]
    elif inside and isinstance(apart := model["revision"], str) and apart != inside:
        fault = contradiction(inside, apart)
        document.fault(("model", "revision"), fault.what, fault.fix)


def nearest_name(name: str) -> str:
    """A hint where a short name or a hub's name was probably misspelled."""
    close = get_close_matches(name, [*SHORT_NAMES, *SHORT_NAMES.values()], n=1, cutoff=0.8)
    return f"Did you mean `{close[0]}`?" if close else ""
