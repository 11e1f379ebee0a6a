"""The layers of the package: no module imports another that imports it, directly or through others."""

from __future__ import annotations

import ast
import re
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


# ---- Rust ------------------------------------------------------------------------------------

SOURCES = Path(__file__).parents[2] / "src"

Module = tuple[str, ...]


def rust_modules(root: Path) -> dict[Module, str]:
    """The code of each module of a crate, without comments and unit tests."""
    modules = {}
    for path in root.rglob("*.rs"):
        parts = path.relative_to(root).with_suffix("").parts
        if not any(part.endswith("tests") for part in parts):
            code = re.split(r"\n#\[cfg\(test\)\]\n.*mod tests \{", path.read_text(encoding="utf-8"))[0]
            code = re.sub(r"//[^\n]*|pub\(in [^)]*\)", "", code)
            modules[parts[:-1] if parts[-1] in {"mod", "lib"} else parts] = code
    return modules


def rust_imports(modules: Mapping[Module, str]) -> dict[Module, set[Module]]:
    """The modules that each module names, in ``use`` lines and in the code."""
    return {module: set(_named(module, code, modules)) - {module, ()} for module, code in modules.items()}


def _named(module: Module, code: str, modules: Mapping[Module, str]) -> Iterator[Module]:
    for match in re.finditer(r"(?<![:\w])(\w+)::", code):
        head = match[1]
        if head in {"crate", "self", "super"} or (*module, head) in modules:
            for path in _paths(code, match.start()):
                yield _resolved(module, path, modules)


def _paths(code: str, start: int) -> Iterator[Module]:
    """The paths that begin here; ``a::{b, c::d}`` is two."""
    match = re.compile(r"((?:\w+::)*)(\w+|\{|)").match(code, start)
    assert match is not None
    prefix = tuple(match[1].split("::")[:-1])
    if match[2] != "{":
        yield (*prefix, match[2])
        return
    for inner in _items(code, match.end()):
        for path in _paths(inner, 0):
            yield (*prefix, *path)


def _items(code: str, start: int) -> Iterator[str]:
    """What stands between the commas of a list in braces."""
    depth, begin = 1, start
    for at in range(start, len(code)):
        depth += {"{": 1, "}": -1}.get(code[at], 0)
        if depth == 0 or (depth == 1 and code[at] == ","):
            yield code[begin:at].strip()
            begin = at + 1
        if depth == 0:
            return


def _resolved(module: Module, path: Module, modules: Mapping[Module, str]) -> Module:
    at = () if path[0] == "crate" else module
    for name in path:
        if name == "super":
            at = at[:-1]
        elif (*at, name) in modules:
            at = (*at, name)
        elif name not in {"crate", "self"}:
            break
    return at


def rust_layers(root: Path) -> dict[str, int]:
    """The layer of each top-level module: blank lines between the ``mod`` lines of ``lib.rs`` divide layers."""
    blocks = (root / "lib.rs").read_text(encoding="utf-8").split("\n\n")
    return {
        name: layer
        for layer, block in enumerate(blocks)
        for name in re.findall(r"^(?:pub )?mod (\w+);", block, re.MULTILINE)
    }


def test_rust_modules_import_each_other_in_one_direction() -> None:
    imports = rust_imports(rust_modules(SOURCES))
    assert ("transport", "http") in imports["api", "client"]
    graph = {"::".join(module): {"::".join(target) for target in targets} for module, targets in imports.items()}
    assert cycle(graph) == []


def test_rust_layers_import_only_lower_ones() -> None:
    layers = rust_layers(SOURCES)
    assert layers["error"] < layers["transport"] < layers["api"] < layers["journal"] < layers["batch"]
    for module, targets in rust_imports(rust_modules(SOURCES)).items():
        for target in targets:
            if module and layers[target[0]] > layers[module[0]]:
                pytest.fail(f"{'::'.join(module)} imports {'::'.join(target)}, which is above it in lib.rs")


def test_only_the_bindings_name_pyo3() -> None:
    users = {module[0] for module, code in rust_modules(SOURCES).items() if module and "pyo3" in code}
    assert users == {"python"}


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


@pytest.mark.parametrize(
    ("lower", "found"),
    [
        ("pub struct Upper;", []),
        ("use crate::upper::Upper;", ["lower", "upper", "lower"]),
        ("use crate::{other, upper::{self, Upper}};", ["lower", "upper", "lower"]),
        ("fn f() { super::upper::run() }", ["lower", "upper", "lower"]),
        ("/// See [`crate::upper`].", []),
        ("\n#[cfg(test)]\nmod tests {\n    use crate::upper;\n}", []),
    ],
)
def test_rust_imports_are_found(tmp_path: Path, lower: str, found: list[str]) -> None:
    (tmp_path / "lib.rs").write_text("mod lower;\n\nmod upper;\n")
    (tmp_path / "upper.rs").write_text("use crate::lower;\n")
    (tmp_path / "lower.rs").write_text(lower)
    imports = rust_imports(rust_modules(tmp_path))
    assert (
        cycle({"::".join(module): {"::".join(other) for other in others} for module, others in imports.items()})
        == found
    )
