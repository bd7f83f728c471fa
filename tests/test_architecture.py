"""The house rules: imports go down, few doors for outside packages, small functions, examples in every docstring."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import glminfer

ROOT = Path(glminfer.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

FLOORS = {"numerics": 1, "data": 2, "datasets": 2, "fit": 3, "inference": 4, "report": 5}
FLOORS |= {"models": 6, "models_many": 6, "models_path": 6, "models_selection": 6, "models_validation": 6}
EVERYWHERE = {"errors"}  # may be imported from any floor, and imports none of them

DOORS = {  # the only modules, or folders, that may import a package
    "narwhals": {"data/frames.py"},
    "pyarrow": {"data/parquet_files.py"},
    "dask": {"data/dask_values.py"},
    "distributed": {"data/dask_values.py"},
    "matplotlib": {"report/plots.py", "report/plots_selection.py"},
    "numba": {"numerics/compiled.py"},
    "patsy": {"data/"},
    "pooch": {"datasets/download.py"},
    "statsmodels": {"report/crosscheck.py", "inference/multiplicity.py"},
    "threadpoolctl": {"numerics/threads.py"},
    "tqdm": {"data/progress.py"},
}
# optional, or slow to import
LAZY = {"pyarrow", "dask", "distributed", "matplotlib", "numba", "pooch", "statsmodels", "scipy.stats", "tqdm"}
REQUIRED = {"numpy", "scipy", "pandas"}
NUMERICS = {"numba", "numpy", "scipy", "threadpoolctl"}
VAGUE_NAMES = {"utils", "util", "base", "core", "helpers", "common", "misc", "tools"}

LONGEST_FUNCTION = 60
LONGEST_FILE = 400


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(node: ast.AST, path: Path) -> list[str]:
    """Full names of the modules an import statement may load (``from a import b`` gives ``a`` and ``a.b``)."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    package = ["glminfer", *path.relative_to(ROOT).parent.parts]
    start = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
    module = ".".join(part for part in (start, node.module) if part)
    return [module, *(f"{module}.{alias.name}" for alias in node.names)]


def imports(path: Path) -> list[tuple[str, int]]:
    return [(module, node.lineno) for node in ast.walk(tree(path)) for module in imported(node, path)]


def executed_on_import(node: ast.AST) -> Iterator[ast.AST]:
    """Everything but the bodies of functions and of ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from executed_on_import(child)


def module_level_imports(path: Path) -> list[tuple[str, int]]:
    return [(module, node.lineno) for node in executed_on_import(tree(path)) for module in imported(node, path)]


def comes_from(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def public_functions(path: Path) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Functions, and methods of public classes, that a reader may call."""
    for node in tree(path).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            methods = [n for n in node.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]
            yield from ((f"{node.name}.{method.name}", method) for method in methods)


def functions(path: Path) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef)]


def body_length(function: ast.FunctionDef) -> int:
    """Lines from the first statement to the last, the docstring not counted."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0  # type: ignore[operator]


def each_module(*, within: str = "", public: bool = True) -> list:
    """Test parameters; ``public=False`` leaves out the package's __init__, which gathers names from every floor."""
    chosen = [path for path in MODULES if name(path).startswith(within) and (public or path != ROOT / "__init__.py")]
    return [pytest.param(path, id=name(path)) for path in chosen]


@pytest.mark.parametrize("path", each_module(public=False))
def test_imports_go_down(path):
    here = path.relative_to(ROOT).with_suffix("").parts[0]
    floor = 0 if here in EVERYWHERE else FLOORS.get(here)
    assert floor is not None, f"{name(path)} is on no floor: {', '.join(FLOORS)}"
    wrong = []
    for module, line in imports(path):
        if not comes_from(module, "glminfer"):
            continue
        there = module.partition(".")[2].partition(".")[0]
        if there and there not in EVERYWHERE and FLOORS.get(there, 0) > floor:
            wrong.append(f"{name(path)}:{line} imports {module}, {FLOORS[there] - floor} floor(s) up")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", each_module(public=False))
def test_no_module_imports_the_whole_package(path):
    """``import glminfer`` inside the package would hide which floor is used."""
    wrong = [f"{name(path)}:{n.lineno}" for n in ast.walk(tree(path)) if imported(n, path)[:1] == ["glminfer"]]
    assert not wrong, f"import from the module that defines the name: {', '.join(wrong)}"


@pytest.mark.parametrize("path", each_module())
def test_outside_packages_come_through_their_door(path):
    wrong = []
    for module, line in imports(path):
        for package, doors in DOORS.items():
            if comes_from(module, package) and not any(name(path).startswith(door) for door in doors):
                wrong.append(f"{name(path)}:{line} imports {module}; only {', '.join(sorted(doors))} may")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", each_module())
def test_no_package_is_imported_that_is_not_declared(path):
    known = REQUIRED | set(DOORS) | {"glminfer"} | set(sys.stdlib_module_names)
    unknown = {module.split(".")[0] for module, _ in imports(path)} - known
    assert not unknown, f"{name(path)} imports {', '.join(sorted(unknown))}: declare it and give it a door"


@pytest.mark.parametrize("path", each_module())
def test_optional_and_slow_packages_are_imported_inside_functions(path):
    wrong = [
        f"{name(path)}:{line} imports {module} when it is loaded"
        for module, line in module_level_imports(path)
        for package in LAZY
        if comes_from(module, package)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", each_module(within="numerics/"))
def test_numerics_knows_arrays_only(path):
    outside = {module.split(".")[0] for module, _ in imports(path)} - NUMERICS - set(sys.stdlib_module_names)
    assert outside <= {"glminfer"}, f"{name(path)} imports {', '.join(sorted(outside - {'glminfer'}))}"


@pytest.mark.parametrize("path", each_module())
def test_modules_have_a_name_that_says_what_they_hold(path):
    assert not VAGUE_NAMES & {part.strip("_") for part in path.relative_to(ROOT).with_suffix("").parts}


def test_import_is_light():
    """A user who fits one model does not wait for packages that only some verbs need."""
    heavy = ["statsmodels", "scipy.stats", "scipy.special", "scipy.linalg", "matplotlib", "dask", "distributed"]
    code = f"import sys, glminfer; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_import_loads_pyarrow_only_if_pandas_does():
    code = "import sys, pandas, scipy.linalg, scipy.special; before = 'pyarrow' in sys.modules; import glminfer; "
    code += "print(before == ('pyarrow' in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


@pytest.mark.parametrize("path", each_module())
def test_modules_and_public_functions_have_docstrings(path):
    if path.read_text(encoding="utf-8").strip():
        assert ast.get_docstring(tree(path)), f"{name(path)} does not say what it holds"
    silent = [f"{name(path)}:{node.lineno} {label}" for label, node in public_functions(path) if not described(node)]
    assert not silent, "no docstring:\n" + "\n".join(silent)


def described(function: ast.FunctionDef) -> bool:
    """Overloads and property getters that only give back a value are described by their name and type."""
    decorators = [ast.unparse(d) for d in function.decorator_list]
    if any(d.endswith("overload") for d in decorators):
        return True
    trivial = "property" in decorators and len(function.body) == 1
    return trivial or ast.get_docstring(function) is not None


def test_functions_are_short():
    lengths = sorted((body_length(f), f"{name(p)}:{f.lineno} {f.name}") for p in MODULES for f in functions(p))
    too_long = [f"{length:4d} lines  {where}" for length, where in reversed(lengths) if length > LONGEST_FUNCTION]
    median = lengths[len(lengths) // 2][0]
    nine_tenths = lengths[len(lengths) * 9 // 10][0]
    assert not too_long, (
        f"functions of more than {LONGEST_FUNCTION} lines (median {median}, 90th percentile {nine_tenths}):\n"
        + "\n".join(too_long)
    )


def test_files_are_short():
    lengths = sorted((len(path.read_text(encoding="utf-8").splitlines()), name(path)) for path in MODULES)
    too_long = [f"{length:4d} lines  {where}" for length, where in reversed(lengths) if length > LONGEST_FILE]
    median = lengths[len(lengths) // 2][0]
    assert not too_long, f"files of more than {LONGEST_FILE} lines (median {median}):\n" + "\n".join(too_long)


@pytest.mark.parametrize("public", getattr(glminfer, "__all__", ()))
def test_public_names_have_an_example(public):
    value = getattr(glminfer, public)
    if isinstance(value, str):  # __version__
        return
    doc = value.__doc__ or ""
    assert doc.strip(), f"gi.{public} has no docstring"
    if callable(value) and not (isinstance(value, type) and issubclass(value, Warning | Exception)):
        assert ">>>" in doc, f"gi.{public} has no example"
