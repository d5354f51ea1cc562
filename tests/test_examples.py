"""Docstrings of networks and theory: each public name has an example, which runs; what takes tensors has shapes."""

import ast
import doctest
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import nets
import theory

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("nets", "theory", "lit_models")


def modules(*packages: str) -> list[str]:
    paths = [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths if path.name != "__init__.py"]


@pytest.mark.parametrize("name", modules("nets", "theory"))
def test_the_examples_of_a_module_show_what_happens(name: str) -> None:
    torch.manual_seed(0)
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert not failed, f"python -m doctest says which examples of {name} are wrong"


@pytest.mark.parametrize("package", [nets, theory], ids=lambda package: package.__name__)
def test_every_public_name_has_an_example(package) -> None:
    without = [name for name in package.__all__ if ">>> " not in (getattr(package, name).__doc__ or "")]
    assert not without, f"add an Example to the docstring of {', '.join(without)}"


def test_a_wrong_example_is_noticed() -> None:
    def wrong() -> None:
        """>>> 1 + 1
        3
        """

    (example,) = doctest.DocTestFinder().find(wrong, "wrong", globs={})
    assert doctest.DocTestRunner(verbose=False).run(example, out=lambda text: None).failed == 1


def functions_of_tensors(source: str) -> Iterator[tuple[str, str]]:
    """Public functions and methods in whose signature tensors are, and the docstrings that speak of them."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for method in node.body:
                if is_of_tensors(method):
                    own, of_class = ast.get_docstring(method) or "", ast.get_docstring(node) or ""
                    # What a framework calls, and says nothing of its own, is as the class says.
                    of_base = node.bases and method.name.endswith("_step")
                    yield f"{node.name}.{method.name}", own + of_class + ("Shapes:" if of_base and not own else "")
        elif is_of_tensors(node):
            yield node.name, ast.get_docstring(node) or ""


def is_of_tensors(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
        return False
    return "Tensor" in ast.unparse(node.args) + (ast.unparse(node.returns) if node.returns else "")


def test_lacking_shapes_are_noticed() -> None:
    method = "class A:\n    def h(self) -> Tensor: ...\n    def _i(self, x: Tensor): ..."
    source = f"def f(x: Tensor): ...\ndef g(x: int): ...\n{method}"
    assert list(functions_of_tensors(source)) == [("f", ""), ("A.h", "")]


def test_what_takes_or_gives_tensors_says_their_shapes() -> None:
    for name in modules(*PACKAGES):
        source = (ROOT / Path(*name.split(".")).with_suffix(".py")).read_text(encoding="utf-8")
        for function, docstring in functions_of_tensors(source):
            assert "Shapes:" in docstring, f"{name}: {function} has no Shapes"
