"""What a person gives in a file is read, or refused in one line that says what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from taskyard.cli import main
from taskyard.cli.dead_letters import read_tasks
from taskyard.cli.values import read_payload
from taskyard.files import workflow_file
from taskyard.files.json_and_yaml import EXPANDED_LIMIT, parse_json, parse_yaml

BOM = b"\xef\xbb\xbf"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGE_BOMB = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{','.join([f'*{before}'] * 9)}]}}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (BOM + b'{"a": 1}', {"a": 1}),
        (b"a: !!str 1\nb: !!int '2'\nc: !!null ''", {"a": "1", "b": 2, "c": None}),
        (b"a: !!float 1e3", {"a": 1000.0}),
        (b"a: !!map {b: !!seq [c]}", {"a": {"b": ["c"]}}),
        (b"a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}", {"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 3}}),
        (b"a: {<<: [{p: 5}, {p: 1, q: 2}]}", {"a": {"p": 5, "q": 2}}),
        (b"a: <<\nb: [<<]", {"a": "<<", "b": ["<<"]}),
        (b"1: 007\ntrue: on\n~: 12:30", {"1": "007", "true": "on", "null": "12:30"}),
        (b"2.5: 2026-02-01", {"2.5": "2026-02-01"}),
        (b"", None),
    ],
)  # fmt: skip
def test_yaml_has_the_values_of_the_same_json(content: bytes, value: Any) -> None:
    assert parse_yaml(content) == value


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"x: !!set {p, q}", r"!!set has no JSON for it \(line 1\)"),
        (b"x: !!binary aGk=", "!!binary has no JSON"),
        (b"x: !!omap [p: 1]", "!!omap has no JSON"),
        (b"x: !!pairs [p: 1]", "!!pairs has no JSON"),
        (b"x:\n  y: !!timestamp 2026-02-01", r"!!timestamp has no JSON for '2026-02-01' \(line 2\)"),
        (b"x: !!python/object:os.system {}", "has no JSON"),
        (b"x: !mine 1", "!mine has no JSON"),
        (b"x: !!int one", "!!int has no JSON for 'one'"),
        (b"x: !!bool maybe", "!!bool has no JSON for 'maybe'"),
        (b"x: !!float .nan", "!!float has no JSON"),
        (b"x: 1e999", "larger than any number"),
        (b"x: " + b"9" * 5000, "digits"),
        (b"x: &x [*x]", r"\*x refers to itself \(line 1\)"),
        (b"x: &x {y: {z: *x}}", "refers to itself"),
        (b"x: *y", r"\*y is not defined"),
        (b"{a: 1, a: 2}", "'a' is given twice"),
        (b"{[a]: 1}", "a name is text"),
        (b"a: {<<: 7}", "<< takes a mapping"),
        (b"a: 1\n---\nb: 2", "more than one document"),
        (b"[" * 100_000, "nested too deeply"),
        (b"- " * 5_000 + b"x", "nested too deeply"),
        (b"a: [", "expected the node content|did not find expected"),
        (b"a: \xff", "not UTF-8"),
        (b"a: \x00", "special characters|control characters"),
        (BOMB.encode(), "aliases expanded"),
        (MERGE_BOMB.encode(), "aliases expanded"),
    ],
)
def test_yaml_without_equivalent_in_json_is_refused_in_one_line(content: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        parse_yaml(content)
    assert "\n" not in str(refused.value)


def test_yaml_with_aliases_that_expand_too_far_is_refused() -> None:
    assert len(BOMB) < 500
    largest = b"a: &a " + b"x" * 100_000 + b"\nb: [" + b",".join([b"*a"] * (EXPANDED_LIMIT // 100_001 - 2)) + b"]"
    assert len(json.dumps(parse_yaml(largest))) < 2 * EXPANDED_LIMIT
    with pytest.raises(ValueError, match="aliases expanded"):
        parse_yaml(largest.replace(b"[", b"[*a,*a,"))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"a": 1, "a": 2}', "'a' is given twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": ' + b"9" * 5000 + b"}", "digits"),
        (b"", "Expecting value"),
        ("{'a': 1}", "property name"),
    ],
)
def test_json_with_duplicate_names_or_constants_is_refused(content: bytes | str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        parse_json(content)
    assert "\n" not in str(refused.value)


def test_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    file = tmp_path / "bom.json"
    file.write_bytes(BOM + b'{"nodes": {"a": {"type": "X"}}}')
    assert (
        workflow_file.read(str(file))
        == read_payload(f"@{file}")
        == read_payload("\ufeff" + file.read_text("utf-8-sig"))
    )
    assert read_tasks(str(file)) == [{"nodes": {"a": {"type": "X"}}}]
    file.write_bytes(BOM + b'{"type": "A"}\r\n\r\n{"type": "B"}\r\n')
    assert read_tasks(str(file)) == [{"type": "A"}, {"type": "B"}]


def test_batch_file_with_an_invalid_line_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text('{"type": "A"}\n\n{"type": \n')
    with pytest.raises(ValueError, match="line 3: Expecting value"):
        read_tasks(str(file))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("nodes: {fetch: {}, report: {dependsOn: fetch}}", 'nodes.report.dependsOn must be a list, not "fetch"'),
        ("nodes: [{name: a, type: X}, {name: b, depends_on: a}]", 'nodes[1].depends_on must be a list, not "a"'),
        ("nodes: {a: {dependsOn: {b: 1}}}", "nodes.a.dependsOn must be a list"),
        ("nodes: {a: {dependsOn: [{b: 1}]}}", "a name is text"),
        ("nodes: {a: 7}", "nodes.a must be a mapping"),
        ("nodes: [7]", "nodes[0] must be a mapping"),
        ("nodes: 7", "nodes must be a list, or a mapping by name"),
        ("nodes:", "nodes must be a list, or a mapping by name"),
        ("[]", "not a workflow"),
        ("nodes: {a: {payload: {x: !!set {p}}}}", "!!set"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["graph", "run"])
def test_workflow_file_of_a_wrong_shape_is_refused_in_one_line_with_the_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, why: str, command: str
) -> None:
    file = tmp_path / "dag.yaml"
    file.write_text(content)
    assert main(["--url", "http://127.0.0.1:9", "workflow", command, str(file)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"taskyard: {file}: ")
    assert why in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("nodes: [{type: X}]", "each node needs a name"),
        ("nodes: {a: {dependsOn: [b]}}", "node 'a' depends on 'b', which is not a node"),
    ],
)
def test_workflow_file_that_cannot_be_drawn_is_refused_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, why: str
) -> None:
    file = tmp_path / "dag.yaml"
    file.write_text(content)
    assert main(["workflow", "graph", str(file)]) == 2
    assert capsys.readouterr().err == f"taskyard: {why}\n"
