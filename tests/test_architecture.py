"""Imports point down only, and heavy libraries are loaded only where they are used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from app import kinds
from rtl_core.data.kinds import KINDS
from rtl_core.tasks.catalogue import TASKS
from tests.parsed import in_every, nodes_of

ROOT = Path(__file__).resolve().parents[1]
GROUND = """
    comma_lists config display_names documents errors events expected_warnings files read_only rng storage_budget
    threads
"""
CORE = (
    GROUND,
    "statistics",
    "data",
    "models",
    "tasks",
    "tickets",
    "overlap",
    "learning",
    "routing",
    "audit",
    "interchange",
    "runs",
    "studies",
    "cli __main__",
)
FLOOR = {room: floor for floor, rooms in enumerate(CORE) for room in rooms.split()}
HEAVY = {"torch", "umap", "captum", "fairlearn", "sklearn", "numba"}
SCREEN = {"streamlit", "plotly", "app", "pages"}


# Calls that change something for all threads of the process, and the one file that may make them.
NOWHERE = """
    catch_warnings simplefilter symbolic_trace fuse FlopCounterMode seterr setlocale putenv setrecursionlimit fork_rng
    set_rng_state use_deterministic_algorithms set_default_device set_default_dtype set_printoptions set_option
    set_float32_matmul_precision set_num_interop_threads register_module_forward_hook register_module_forward_pre_hook
"""
WHOLE_PROCESS = dict.fromkeys(NOWHERE.split()) | {
    "filterwarnings": "expected_warnings.py",
    "set_num_threads": "threads.py",
    "chdir": "__main__.py",
}
CHANGED_IN_A_COPY = {"train", "eval", "load_state_dict", "requires_grad_", "register_forward_hook", "apply"}


def imported(path: Path, only_at_import: bool = False) -> set[str]:
    """Dotted names of the modules that a file imports; `only_at_import`: without those inside functions."""
    later = _not_at_import(path) if only_at_import else set()
    names = set()
    for node in nodes_of(path):
        if id(node) in later:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively, which hides the room it imports from"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _not_at_import(path: Path) -> set[int]:
    """The nodes inside functions, and those for type checkers alone."""
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return {
        id(inner)
        for node in nodes_of(path)
        if isinstance(node, functions) or (isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING")
        for inner in ast.walk(node)
    }


def files(*places: str) -> list[Path]:
    return [path for place in places for path in sorted((ROOT / place).rglob("*.py"))]


@in_every(files("rtl_core"))
def test_the_core_imports_downwards(path):
    room = path.relative_to(ROOT / "rtl_core").parts[0].removesuffix(".py")
    for name in imported(path):
        assert name.split(".")[0] not in SCREEN, f"{path.name} knows a screen: {name}"
        if name.startswith("rtl_core.") and room != "__init__":
            other = name.split(".")[1]
            assert FLOOR.get(other, -1) <= FLOOR[room], f"{room} imports {other}, which stands above it"


@in_every(files("app"))
def test_the_app_knows_no_page(path):
    assert not {name for name in imported(path) if name.split(".")[0] in {"pages", "streamlit_app"}}


@in_every([*files("app", "pages", "rtl_core/data"), ROOT / "streamlit_app.py"])
def test_no_heavy_library_is_loaded_with_the_app_or_the_data(path):
    assert not {name for name in imported(path, only_at_import=True) if name.split(".")[0] in HEAVY}


ELSEWHERE = sorted({*files("rtl_core", "app", "pages")} - {*files("rtl_core/tasks")})


@in_every(ELSEWHERE)
def test_nothing_asks_for_the_name_of_a_task(path):
    """What depends on a task is a field of `Task`; a branch on its name would not know the next one."""
    for node in nodes_of(path):
        asks = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
        asks += [node.slice] if isinstance(node, ast.Subscript) else []
        inner = [each for piece in asks for each in ast.walk(piece) if isinstance(each, ast.Constant)]
        assert not {each.value for each in inner if isinstance(each.value, str)} & set(TASKS), f"line {node.lineno}"


@in_every(ELSEWHERE)
def test_nothing_asks_for_the_name_of_a_kind_of_input(path):
    """Each room has one table by kind; what a page or an audit does follows from an entry's fields."""
    for node in nodes_of(path):
        sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
        names = {each.value for side in sides for each in ast.walk(side) if isinstance(each, ast.Constant)}
        asks = any(isinstance(side, ast.Attribute) and side.attr == "kind" for side in sides)
        assert not (asks and names & KINDS.keys()), f"line {node.lineno}"


def test_the_app_can_show_every_kind_of_input():
    assert kinds.KINDS.keys() == KINDS.keys()


@in_every(files("rtl_core", "app", "pages"))
def test_nothing_is_changed_under_the_feet_of_other_threads(path):
    calls = [node.func for node in nodes_of(path) if isinstance(node, ast.Call)]
    names = {getattr(call, "attr", getattr(call, "id", None)) for call in calls} & WHOLE_PROCESS.keys()
    assert not {name for name in names if WHOLE_PROCESS[name] != path.name}, "changes the whole process"
    assert not {name for name in imported(path) if name.startswith("torch.fx")}, "tracing replaces nn.Module's methods"
    shared = {call.attr for call in calls if getattr(getattr(call, "value", None), "attr", None) == "module"}
    assert not shared & CHANGED_IN_A_COPY, "changes a network's own module: take models.copies.structure of it"


def test_a_file_that_fails_a_check_of_all_is_named():
    @in_every([Path(__file__)])
    def check(path: Path) -> None:
        assert path.name == "another.py", "of another name"

    with pytest.raises(AssertionError, match=r"^tests/test_architecture\.py: of another name"):
        check()


def test_few_public_functions_have_more_than_six_parameters():
    """Where more are needed, a noun is missing. Verbs of the command line are left out: they must spell out options."""
    long = []
    for path in sorted({*files("rtl_core", "app", "pages")} - {*files("rtl_core/cli")}):
        for node in nodes_of(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
                named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                if len([each for each in named if each.arg not in ("self", "cls")]) > 6:
                    long.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert len(long) <= 3, "\n".join(long)


@pytest.mark.long
def test_masks_and_records_are_read_without_torch():
    code = (
        "import sys, rtl_core.cli, rtl_core.overlap.similarity, rtl_core.runs.store, rtl_core.runs.worker;"
        "from rtl_core.runs.checkpoint import load_run; from rtl_core.runs.store import samples;"
        "[load_run(folder) for folder in samples().values()];"
        "print(sorted({'torch', 'umap', 'streamlit'} & set(sys.modules)))"
    )
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"
