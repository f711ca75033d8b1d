"""Strict YAML: what each scalar becomes, what is refused and where, and that no text gets past as an exception."""

import pytest
import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st

from solver.strict_yaml import (
    MAX_ALIASES,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_VALUES,
    escape,
    read,
    read_file,
    read_override,
    write,
)


def faults(text: str, **environ: str) -> list[str]:
    return [str(fault) for fault in read(text, "j.yaml", environ).faults]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("8", 8),
        ("-3", -3),
        ("+3", 3),
        ("0", 0),
        ("0x1F", 31),
        (f"-{2**64 - 1}", 1 - 2**64),
        ("0o17", 15),
        ("1e-5", 1e-5),
        ("1E7", 1e7),
        ("5.", 5.0),
        (".5", 0.5),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        # text in YAML 1.2, or refused by us as too easily misread
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("010", "010"),
        ("00.5", "00.5"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("12:30:00", "12:30:00"),
        ("2026-11-20", "2026-11-20"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ('"8"', "8"),
        ("=", "="),
        ("1e-5x", "1e-5x"),
    ],
)
def test_a_scalar_is_what_yaml_1_2_says(written: str, value: object) -> None:
    document = read(f"a: {written}", "j.yaml", {})
    assert document.faults == []
    assert document.value == {"a": value}
    assert type(document.value["a"]) is type(value)


def test_a_merge_key_is_a_key_like_any_other() -> None:
    assert read("a: &x {b: 1}\nc: {<<: *x}", "j.yaml", {}).value == {"a": {"b": 1}, "c": {"<<": {"b": 1}}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [", "j.yaml:2:5: cannot be read as YAML: while parsing a flow node expected the node content"),
        ("a:\n\tb: 1", "j.yaml:2:1: cannot be read as YAML: while scanning for the next token found character '\\t'"),
        ("a: \x00", "j.yaml:1:4: cannot be read as YAML: the character U+0000 cannot stand here"),
        ("a: 1\nb: x\x07", "j.yaml:2:5: cannot be read as YAML: the character U+0007 cannot stand here"),
        ('a: "\\UFFFFFFFF"', "j.yaml:1:1: cannot be read as YAML: an escape or a directive names an impossible number"),
        ('a: "\\ud800"', "j.yaml:1:1: a: the text `\\ud800` cannot be used as str"),
        ('a: "x\\0"', "j.yaml:1:1: a: the text `x\\x00` cannot be used as str"),
        ("a: 1e999", "j.yaml:1:1: a: the text `1e999` cannot be used as float"),
        (f"a: {2**64}", f"j.yaml:1:1: a: the text `{2**64}` cannot be used as int"),
        ("a: !!int x", "j.yaml:1:1: a: the text `x` cannot be used as int"),
        ("a: !!python/object/apply:os.system [id]", "j.yaml:1:1: a: the tag `tag:yaml.org,2002:python/object/apply:os"),
        ("a: !!timestamp 2026-11-20", "j.yaml:1:1: a: the tag `tag:yaml.org,2002:timestamp` is not allowed"),
        ("a: !x {b: 1}", "j.yaml:1:1: a: the tag `!x` is not allowed"),
        ("a: 1\n--- \nb: 2", "j.yaml:2:1: cannot be read as YAML: expected a single document"),
        ("a: *x", "j.yaml:1:4: cannot be read as YAML: found undefined alias 'x'"),
        ("a: 1\n8: 2", "j.yaml:2:1: ?: a key must be plain text. Put it in quotes if it is meant as text"),
        ("a: 1\n? [b]\n: 2", "j.yaml:2:3: ?: a key must be plain text"),
        (
            "b: {c: ${X}}",
            "YAML: while parsing a flow mapping expected ',' or '}', but got '{'. Inside { } and [ ], ${VAR}",
        ),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(text: str, message: str) -> None:
    (only,) = faults(text)
    assert message in only


def test_a_duplicate_key_names_both_lines_and_each_is_told() -> None:
    assert faults("a:\n  b: 1\n  c: 2\n  b: 3\nd: {e: 1, e: 2}") == [
        "j.yaml:4:3: a.b: the key is given twice, first in line 2. Keep one",
        "j.yaml:5:11: d.e: the key is given twice, first in line 5. Keep one",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * MAX_DEPTH + "]" * MAX_DEPTH, ""),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), f"deeper than {MAX_DEPTH} levels"),
        ("[" * 100_000, f"deeper than {MAX_DEPTH} levels"),
        ("a: &x 1\nb: [" + "*x," * MAX_ALIASES + "]", ""),
        ("a: &x 1\nb: [" + "*x," * (MAX_ALIASES + 1) + "]", f"more than {MAX_ALIASES} aliases"),
        ("[" + "1," * (MAX_VALUES - 1) + "]", ""),
        ("[" + "1," * MAX_VALUES + "]", "too many values, or an alias of itself"),
        ("&a [*a]", "too many values, or an alias of itself"),
        ("a0: &a0 [x,x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1},*a{i - 1}]\n" for i in range(1, 20)), "too many values"),
    ],
)
def test_bombs_are_refused_at_the_caps(text: str, message: str) -> None:
    found = faults(text)
    assert message in found[0] if message else found == []


def test_a_bomb_never_unfolds() -> None:
    laughs = "a0: &a0 [x,x,x,x,x]\n" + "".join(f"a{i}: &a{i} [{f'*a{i - 1},' * 5}]\n" for i in range(1, 15))
    assert read(laughs, "j.yaml", {}).value is None


def test_files_that_cannot_be_read(tmp_path) -> None:  # type: ignore[no-untyped-def]
    def told(path: object) -> str:
        (fault,) = read_file(path, {}).faults  # type: ignore[arg-type]
        return str(fault)

    large, latin = tmp_path / "large.yaml", tmp_path / "latin.yaml"
    large.write_text("a: 1\n" + "#" * MAX_BYTES)
    latin.write_bytes(b"a: 1\nb: caf\xe9\n")
    assert told(tmp_path / "none.yaml") == f"{tmp_path}/none.yaml: cannot be read: No such file or directory"
    assert told(tmp_path) == f"{tmp_path}: cannot be read: Is a directory"
    assert told(f"{tmp_path}/\0") == f"{tmp_path}/\\x00: cannot be read: embedded null byte"
    assert told(large) == f"{large}: is larger than 1 MiB. Is it a job file?"
    assert told(latin) == f"{latin}:2:7: the byte 0xe9 is not UTF-8. Save the file as UTF-8"


def test_a_file_with_a_byte_order_mark_reads(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1")
    assert read_file(tmp_path / "bom.yaml", {}).value == {"a": 1}


def test_the_environment_fills_values_never_keys_and_is_not_read_as_yaml() -> None:
    document = read("a: '${X}/$${X}'\n${X}: 1\nb: ['${N}']", "j.yaml", {"X": "${N}", "N": "8"})
    assert document.value == {"a": "${N}/${X}", "${X}": 1, "b": ["8"]}
    assert document.unexpanded == {("a",): "${X}/$${X}", ("b", "0"): "${N}"}


def test_every_unset_variable_is_named() -> None:
    assert faults("a: ${X}${Y}${X}\nb: [1, '${Z}']", Z="1") == [
        "j.yaml:1:1: a: the environment variable `X` is not set. Or escape it: $${X}",
        "j.yaml:1:1: a: the environment variable `Y` is not set. Or escape it: $${Y}",
    ]
    assert faults("a: ${X}", X="\udcff") == [
        "j.yaml:1:1: a: the environment variable `X` does not hold plain text. Or escape it: $${X}"
    ]


@given(st.text())
@example("\x85")  # PyYAML's own quoting folds it into a space
@example("a\n\u2028 b\ufeff")
def test_escaped_text_expands_to_itself(text: str) -> None:
    text = text.replace("x", "${A}").replace("y", "$")
    document = read(write({"a": escape(text)}), "j.yaml", {"A": "secret"})
    unstorable = any(char == "\0" or "\ud800" <= char <= "\udfff" for char in text)
    assert document.value == {"a": text} or unstorable


PLAIN = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(-1e15, 1e15)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
ODD = st.sampled_from(
    ["1e-5", "yes", "010", "12:30:00", "2026-11-20", "null", "~", "", ".5", "<<", "=", "- a", "a: b", " x"]
)


@given(
    st.recursive(PLAIN | TEXT | ODD, lambda below: st.lists(below) | st.dictionaries(TEXT | ODD, below), max_leaves=9)
)
def test_what_is_written_reads_back_here_and_in_yaml_1_1(value: object) -> None:
    text = write({"a": value})
    assert yaml.safe_load(text) == {"a": value}
    assume("${" not in text)
    assert read(text, "j.yaml", {}).value == {"a": value}


@given(st.text() | st.text("ab:{}[]&*!|>-\"'#%@\n\t ,?0${}<\\ux").map(str))
def test_no_text_raises(text: str) -> None:
    document = read(text, "j.yaml", {})
    assert document.value is None or isinstance(document.value, object)
    assert all(str(fault).isprintable() for fault in document.faults)


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("a.b=8", ("a", "b"), 8),
        ("a = x", ("a",), "x"),
        ("a=", ("a",), None),
        ("a=b=c", ("a",), "b=c"),
        ("a={b: [1, 1e-5]}", ("a",), {"b": [1, 1e-5]}),
        ("strategy=beta:0.95", ("strategy",), "beta:0.95"),
    ],
)
def test_an_override_is_a_dotted_key_and_yaml(text: str, path: tuple[str, ...], value: object) -> None:
    found, part = read_override(text, {})
    assert (found, part.value, part.faults) == (path, value, [])


@pytest.mark.parametrize("text", ["a", "", "=1", "a..b=1", ".a=1", "a.=1", ".".join("a" * (MAX_DEPTH + 1)) + "=1"])
def test_what_is_no_override_is_refused_whole(text: str) -> None:
    path, part = read_override(text, {})
    assert path == ()
    assert [str(fault) for fault in part.faults] == [
        f"-o {text}: is not of the form KEY=VALUE. Write, for example, -o sampling.n=8"
    ]
