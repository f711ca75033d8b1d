"""What each trainer wants to be told about the data, as files beside it: LLaMA-Factory, axolotl, TRL."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from solver.export.asked import PREFERENCES, TRAINING, Asked

_TAGS = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
_ROLES = {"formatting": "sharegpt", "tags": {**_TAGS, "system_tag": "system"}}
NAME = "solver"
FOLDER = "./train"  # as `datasets` opens it; of "." it cannot make a name


def stanzas(asked: Asked) -> dict[str, str]:
    """File name -> text. Nothing for formats that no trainer reads as they are."""
    if asked.format not in TRAINING:
        return {}
    made: dict[str, str] = {}
    if (factory := _llamafactory(asked)) is not None:
        entry = {NAME: {"file_name": "train", **factory}}
        made["dataset_info.json"] = json.dumps(entry, indent=2) + "\n"
    if (axolotl := _axolotl(asked)) is not None:
        made["axolotl.yaml"] = _yaml({**_axolotl_head(asked), "datasets": [{**_axolotl_place(asked), **axolotl}]})
    if (trl := _trl(asked)) is not None:
        made["trl.yaml"] = _yaml(trl)
    return made


def _yaml(content: Mapping[str, Any]) -> str:
    return str(yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True))


def _llamafactory(asked: Asked) -> dict[str, Any] | None:
    """An entry of dataset_info.json; None where LLaMA-Factory cannot read the shape."""
    if asked.format in PREFERENCES:
        return _llamafactory_preference(asked) if asked.trainer == "llamafactory" else None
    if asked.format == "sft" and asked.shape == "sharegpt":
        return {"formatting": "sharegpt", "columns": {"messages": "conversations", "system": "system"}}
    if asked.format == "sft" and asked.shape == "alpaca":
        columns = {"prompt": "instruction", "query": "input", "response": "output", "system": "system"}
        return {"formatting": "alpaca", "columns": columns}
    if asked.shape == "messages" and asked.reasoning != "field":
        return {**_ROLES, "columns": {"messages": "messages"}}
    return None


def _llamafactory_preference(asked: Asked) -> dict[str, Any]:
    if asked.format == "kto":
        return {**_ROLES, "columns": {"messages": "messages", "kto_tag": "kto_tag"}}
    columns = {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"}
    return {**_ROLES, "ranking": True, "columns": columns}


def _axolotl_head(asked: Asked) -> dict[str, Any]:
    return {"rl": "dpo" if asked.format == "dpo" else asked.format} if asked.format in PREFERENCES else {}


def _axolotl_place(asked: Asked) -> dict[str, Any]:
    """Where the rows are. Its preference datasets have no `ds_type`, and named files would be read as JSON."""
    if asked.format in PREFERENCES:
        return {"path": FOLDER, "split": "train"}
    kind = "parquet" if asked.files == "parquet" else "json"
    return {"path": ".", "data_files": [f"train/*.{asked.files}"], "ds_type": kind}


def _axolotl(asked: Asked) -> dict[str, Any] | None:
    """An element of `datasets`."""
    if asked.format in ("dpo", "simpo") and asked.trainer == "trl":
        fields = {"field_messages": "prompt", "field_chosen": "chosen", "field_rejected": "rejected"}
        return {"type": "chat_template.default", **fields}
    if asked.format in PREFERENCES:
        return None
    if asked.shape == "alpaca":
        return {"type": "alpaca"}
    if asked.shape == "sharegpt":
        mapping = {"role": "from", "content": "value"}
        return {"type": "chat_template", "field_messages": "conversations", "message_property_mappings": mapping}
    return {"type": "chat_template", "field_messages": "messages"} if asked.shape == "messages" else None


def _trl(asked: Asked) -> dict[str, Any] | None:
    """A config of `trl sft|dpo|kto --config trl.yaml`, to be completed by the model and its settings."""
    if asked.format in PREFERENCES and asked.trainer != "trl":
        return None
    if asked.shape in ("sharegpt", "alpaca"):
        return None
    more: dict[str, Any] = {"dataset_name": FOLDER, "dataset_train_split": "train"}
    if asked.format == "simpo":
        more |= {"loss_type": "simpo", "cpo_alpha": 0.0}
    if asked.format in ("sft", "trajectory") and asked.shape == "messages":
        more |= {"assistant_only_loss": False}  # true where the chat template has generation markers
    return more
