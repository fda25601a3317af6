"""What can be asked, refused, set, decided or typed stands in the documents, or the build fails.

Names are read from the sources by syntax tree, so that a new one is noticed the moment it is written.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from consilium.cli import COMMANDS
from consilium.settings import Settings, variable
from tests.conftest import ROOT

DOCS = ROOT / "docs"
# A rule names its source: a feature (DL-07), an article (ст. 48), an order (пр. 502н).
CLAUSE = re.compile(r"\b[A-Z]{2}-\d\d\b|\bст\. ?\d|\bп\. ?\d|\d-ФЗ|\d+н\b")
PACKAGES = ("consilium", "signaling", "media", "web", "bench")


@cache
def document(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def tree(name: str) -> ast.Module:
    return ast.parse(document(name))


def keys_of(name: str, table: str) -> list[str]:
    """String keys of the dictionary that a module assigns to `table`."""
    for node in tree(name).body:
        target = (
            node.target
            if isinstance(node, ast.AnnAssign)
            else node.targets[0]
            if isinstance(node, ast.Assign)
            else None
        )
        if isinstance(target, ast.Name) and target.id == table and isinstance(node.value, ast.Dict):
            return [key.value for key in node.value.keys if isinstance(key, ast.Constant)]
    raise LookupError(f"{name} has no table {table}")


def missing(names: list[str], page: str) -> list[str]:
    """Names without a mention as code (`name`) on the page."""
    text = document(page)
    return [
        name for name in names if not re.search(rf"`[^`\n]*(?<![\w.]){re.escape(name)}(?![\w])[^`\n]*`", text)
    ]


def rules() -> dict[str, str]:
    """`module.function` -> docstring, of every public function in consilium/rules that names its clause."""
    found = {}
    for file in sorted((ROOT / "consilium" / "rules").glob("*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                said = ast.get_docstring(node) or ""
                if CLAUSE.search(said):
                    found[f"{file.stem}.{node.name}"] = said
    return found


def functions_of_rules() -> set[str]:
    return {
        f"{file.stem}.{node.name}"
        for file in (ROOT / "consilium" / "rules").glob("*.py")
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }


def names_of_tests() -> set[str]:
    return {
        node.name
        for file in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_error_code_is_on_the_wire_page():
    assert missing(keys_of("consilium/errors.py", "CODES"), "docs/wire.md") == []


def test_every_command_is_on_the_wire_page():
    assert missing(keys_of("consilium/commands.py", "WIRE"), "docs/wire.md") == []


def test_every_setting_is_on_the_operations_page():
    settings = [variable(name) for name in Settings.__dataclass_fields__]
    assert missing(settings, "docs/operations.md") == []


def test_every_operators_command_is_on_the_operations_page():
    assert missing([f"consilium {words}" for words in COMMANDS], "docs/operations.md") == []


def test_every_command_of_make_is_in_the_readme_or_contributing():
    commands = re.findall(r"^([a-z-]+):.*## ", document("Makefile"), re.MULTILINE)
    both = set(missing([f"make {name}" for name in commands], "README.md"))
    assert both & set(missing([f"make {name}" for name in commands], "CONTRIBUTING.md")) == set()


def test_every_rule_is_on_the_rules_page():
    assert rules(), "no rule names its clause"
    assert missing(sorted(rules()), "docs/rules.md") == []


def test_the_rules_page_names_only_functions_and_tests_that_exist():
    text = document("docs/rules.md")
    tests = set(re.findall(r"`(test_\w+)`", text))
    assert tests, "no rule names its test"
    assert tests - names_of_tests() == set()
    modules = "|".join(
        file.stem for file in (ROOT / "consilium" / "rules").glob("*.py") if file.stem != "__init__"
    )
    assert set(re.findall(rf"`((?:{modules})\.\w+)`", text)) - functions_of_rules() == set()


def test_every_package_has_its_place_in_the_readme():
    assert missing([f"{package}/" for package in PACKAGES], "README.md") == []


def pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "bench").glob("*.md")])


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_inside_the_project_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    inside = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in inside if not (page.parent / link).exists()] == []


def test_every_module_says_what_it_is_for():
    mute = [
        str(file.relative_to(ROOT))
        for package in PACKAGES
        for file in sorted((ROOT / package).rglob("*.py"))
        if "node_modules" not in file.parts
        and "versions" not in file.parts
        and file.stat().st_size
        and not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert mute == []


def test_every_document_of_the_plan_is_there():
    named = ["architecture", "glossary", "wire", "rules", "closures", "operations"]
    assert [name for name in named if not (DOCS / f"{name}.md").exists()] == []
    assert list((DOCS / "decisions").glob("*.md"))
