"""The layers of the package: no module imports another that imports it, directly or through others."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import vidjob

PACKAGE = Path(vidjob.__file__).parent

Graph = Mapping[str, set[str]]


# ---- graphs ----------------------------------------------------------------------------------


def cycle(graph: Graph) -> list[str]:
    """The nodes of one cycle, the first one again at the end; empty if there is none."""
    done: set[str] = set()
    for start in sorted(graph):
        found = _cycle_from(start, graph, [], done)
        if found:
            return found
    return []


def _cycle_from(node: str, graph: Graph, path: list[str], done: set[str]) -> list[str]:
    if node in path:
        return [*path[path.index(node) :], node]
    if node in done:
        return []
    for target in sorted(graph.get(node, ())):
        found = _cycle_from(target, graph, [*path, node], done)
        if found:
            return found
    done.add(node)
    return []


# ---- Python ----------------------------------------------------------------------------------


def python_imports(package: Path) -> dict[str, set[str]]:
    """The modules of a package that each of its modules imports, also in functions and under TYPE_CHECKING."""
    sources = {_module_name(path, package): path for path in package.rglob("*.py")}
    known = {*sources, f"{package.name}._native"}
    return {
        name: {target for target in _targets(ast.parse(path.read_text(encoding="utf-8")), known) if target != name}
        for name, path in sources.items()
    }


def _module_name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _targets(tree: ast.AST, known: set[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            # A name is a submodule, or else something in the module.
            submodules = {f"{node.module}.{alias.name}" for alias in node.names} & known
            yield from submodules
            if len(submodules) < len(node.names) and node.module in known:
                yield str(node.module)


def test_python_modules_import_each_other_in_one_direction() -> None:
    imports = python_imports(PACKAGE)
    assert "vidjob._client" in imports["vidjob"]
    assert "vidjob._values" in imports["vidjob._calls"], "imports in functions and under TYPE_CHECKING count"
    found = cycle(imports)
    assert not found, " imports ".join(found)


def test_nothing_below_the_command_line_imports_it_or_the_package() -> None:
    tops = {"vidjob", "vidjob.__main__"}
    for module, targets in python_imports(PACKAGE).items():
        if module not in tops and not module.startswith("vidjob.cli"):
            upward = {target for target in targets if target == "vidjob" or target.startswith("vidjob.cli")}
            assert upward == set(), f"{module} imports {upward}"


# ---- the tests' own tools --------------------------------------------------------------------


def test_a_cycle_is_found_and_named(tmp_path: Path) -> None:
    package = tmp_path / "house"
    package.mkdir()
    (package / "__init__.py").write_text("from house.roof import tiles\n")
    (package / "roof.py").write_text("def tiles():\n    from house import walls\n")
    (package / "walls.py").write_text("if TYPE_CHECKING:\n    from house.floor import boards\n")
    (package / "floor.py").write_text("import os\nimport house.roof\n")
    assert cycle(python_imports(package)) == ["house.roof", "house.walls", "house.floor", "house.roof"]
    (package / "floor.py").write_text("import os\n")
    assert cycle(python_imports(package)) == []


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        ({}, []),
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"a"}}, ["a", "a"]),
        ({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": {"c"}}, ["d", "c", "d"]),
    ],
)
def test_cycles_of_graphs(graph: Graph, expected: list[str]) -> None:
    assert cycle(graph) == expected
