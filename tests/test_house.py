"""The house keeps its order: who imports whom, what is public, which options there are."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("lab", "nets", "theory", "figures", "datamodules", "lit_models", "callbacks")
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
FLOORS = (
    "lab.experiments",
    "lab.training",
    "lab.evaluation",
    "lab.commands",
    "lab.sweeps",
    "lab.reports",
)
MAY_IMPORT = {
    "nets": set(),
    "theory": set(),
    "figures": set(),
    "lab": set(),
    "lab.experiments": {"lab"},
    "lab.training": {"lab", "lab.experiments"},
    "lab.evaluation": {"lab", "lab.experiments", "lab.training"},
    "lab.commands": {"lab", "lab.experiments", "lab.training", "lab.evaluation"},
    "lab.sweeps": {"lab", "lab.experiments", "lab.training", "lab.commands"},
    "lab.reports": {"lab", "lab.experiments", "figures"},
    "datamodules": {"lab.errors", "lab.downloads"},
    "lit_models": {"nets", "lab.directions", "lab.training.lightning_internals"},
    "callbacks": {"nets", "theory", "figures", "lab"},
}
DOOR = ROOT / "lab" / "__init__.py"  # hands out what notebooks need, from every floor
# The import names of what requirements.txt installs, where the two names differ.
IMPORT_NAMES = {"scikit-learn": "sklearn", "PyYAML": "yaml", "jsonargparse[signatures]": "jsonargparse"}


def imported(path: Path) -> set[str]:
    """Every module that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def room_of(module: str) -> str:
    """The room that a module is in: its package, or a floor of ``lab``."""
    return next((floor for floor in FLOORS if f"{module}.".startswith(f"{floor}.")), module.split(".")[0])


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_room_imports_only_the_rooms_below_it(path):
    room = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    for name in imported(path) if path != DOOR else ():
        if name.split(".")[0] in ROOMS and room_of(name) != room:
            assert {name, room_of(name)} & MAY_IMPORT[room], f"{room} imports {name}"


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def import_graph(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """For each module by its dotted name, those of the same sources that it imports, for types or inside functions too.

    A module that is imported runs the packages that it lies in first; that is no import of what these re-export.
    """
    graph: dict[str, set[str]] = {name: set() for name in sources}
    for name, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                graph[name] |= {alias.name for alias in node.names} & sources.keys()
            elif isinstance(node, ast.ImportFrom):
                members = {f"{node.module}.{alias.name}" for alias in node.names}
                graph[name] |= members & sources.keys()
                if members - sources.keys():
                    graph[name] |= {node.module} & sources.keys()
    return graph


def circle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_modules_import_one_another_in_a_circle():
    found = circle(import_graph({dotted(path): path.read_text(encoding="utf-8") for path in MODULES}))
    assert not found, " imports ".join(reversed(found))


def test_a_circle_is_found_wherever_the_imports_stand():
    one = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from a.two import x"
    two = "def f():\n    import a.three"
    sources = {"a": "from a.one import x", "a.one": one, "a.two": two, "a.three": ""}
    assert circle(import_graph(sources)) == []
    for back in ("from a import one", "from a.one import x", "import a.one", "from a import x"):
        assert circle(import_graph({**sources, "a.three": back})), back


def test_networks_theory_and_figures_need_no_lightning():
    for path in MODULES:
        if path.relative_to(ROOT).parts[0] in ("nets", "theory", "figures"):
            assert not {name for name in imported(path) if name.split(".")[0] == "lightning"}


def test_figures_load_neither_lightning_nor_matplotlib_before_they_draw():
    code = "import sys, figures; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert "torch" in loaded.split() and not {"lightning", "matplotlib", "lab"} & set(loaded.split())


def test_callbacks_are_all_that_their_room_hands_out():
    from lightning.pytorch import Callback

    import callbacks

    assert all(issubclass(getattr(callbacks, name), Callback) for name in callbacks.__all__)


def test_every_public_function_of_figures_states_its_shapes_and_types():
    import figures

    for name in figures.__all__:
        function = getattr(figures, name)
        if inspect.isfunction(function):
            assert "Shapes:" in inspect.getdoc(function) and "Args:" in inspect.getdoc(function), name
            hints = inspect.signature(function)
            assert hints.return_annotation is not inspect.Signature.empty, name
            assert all(given.annotation is not inspect.Parameter.empty for given in hints.parameters.values()), name


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_needs_only_what_requirements_txt_installs(path):
    listed = re.findall(r"^[\w.\-\[\]]+", (ROOT / "requirements.txt").read_text(), re.M)
    installed = {IMPORT_NAMES.get(name, name.replace("-", "_")) for name in listed}
    installed |= {"PIL"}  # a requirement of torchvision and of matplotlib
    for name in imported(path):
        top = name.split(".")[0]
        assert top in sys.stdlib_module_names or top in ROOMS or top in installed, f"{name} is not in requirements.txt"
    importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))


@pytest.mark.parametrize("room", [room for room in ROOMS if (ROOT / room).is_dir()])
def test_a_package_only_reexports_its_public_names(room):
    for node in ast.parse((ROOT / room / "__init__.py").read_text()).body:
        is_all = isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_late = isinstance(node, ast.FunctionDef) and node.name == "__getattr__"  # a re-export, once it is asked for
        assert isinstance(node, ast.ImportFrom) or is_all or is_docstring or is_late
    package = importlib.import_module(room)
    assert all(hasattr(package, name) for name in package.__all__)


def test_data_and_networks_agree_on_the_padding():
    from datamodules import alphabet
    from nets import sequences

    assert alphabet.PAD_TOKEN == sequences.PAD_TOKEN == 0  # as in the checkpoints that there are


def options() -> list[str]:
    """Our options of train.py: the keys of the command, and the arguments of every class that YAML can name."""
    from lab.commands.cli import LabCLI
    from lab.commands.command_line import CommandLine

    class ParsedError(Exception):
        pass

    class OnlyParser(LabCLI):
        def parse_arguments(self, parser, args):
            raise ParsedError

    with pytest.raises(ParsedError):
        OnlyParser(CommandLine("fit"))
    keys = sorted({key for key in LabCLI.known_keys if not key.startswith("trainer.")})
    for room in ("nets", "datamodules", "lit_models", "callbacks"):
        package = importlib.import_module(room)
        for name in package.__all__:
            if inspect.isclass(value := getattr(package, name)):
                keys.append(f"{room}.{name}({', '.join(inspect.signature(value).parameters)})")
    return keys


def test_the_list_of_options_is_frozen():
    """A changed option breaks the configs of other people: change the list knowingly, with a note in the README."""
    frozen = (Path(__file__).parent / "options.txt").read_text().splitlines()
    assert options() == frozen, "\n".join(["tests/options.txt should read:", *options()])


def test_every_test_mirrors_a_module():
    for path in (ROOT / "tests").rglob("*/test_*.py"):  # those right in tests/ test the house itself
        module = ROOT / path.parent.relative_to(ROOT / "tests") / path.name.removeprefix("test_")
        assert module.exists(), f"{name_of(path)} mirrors no module"
