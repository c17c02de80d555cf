"""The rules of the house, checked on the files themselves: sizes, names, documents, promises.

Part of ``make check``. Every assertion says how to mend what it found.
"""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "ghl_real_estate_ai"
DOCS = ROOT / "docs"
ARCHITECTURE = DOCS / "architecture.md"

NAMED_BY_THE_USER = (
    "services/websocket_manager.py",
    "services/event_bus.py",
    "services/ml_lead_intelligence_engine.py",
    "services/churn_prediction_service.py",
    "models/matching_models.py",
    "api/routes/realtime.py",
    "streamlit_components/realtime_lead_intelligence_hub.py",
)
FILE_LINES = 500
FUNCTION_LINES = 60
PATCH_BUDGET = 3
BANNED_NAMES = re.compile(r"^(utils?|helpers?|common|misc|base|enhanced_.*|advanced_.*|.*_v\d+)$")
MAY_CATCH_EVERYTHING = {
    "services/crm_sync.py",  # one location that is polled: it takes no other along
    "services/crm_reread.py",  # one lead that is read again: the same
    "services/crm_outbox.py",  # one change, one location: neither takes the others along
    "services/fan_out.py",  # one socket of a sweep: the same
    "services/event_bus.py",  # a handler's failure is retried, then buried with its reason
    "services/live_subscriber.py",  # a screen's trouble must not stop the others
    "services/websocket_manager.py",  # a message that cannot be made ready closes its stream to nobody
    "api/request_guard.py",  # the route edge: a bug becomes a 500 in the house's words
    "api/routes/realtime.py",  # the same edge for a socket, which no error handler sees
    "cli.py",  # the same for the command line
    "ml/match_kernel.py",  # a damaged cache of compiled code may raise anything; without it numpy answers
    "storage/group_commit.py",  # the writer thread: what a change raises belongs to its caller
}
CRM_CLIENTS = {"self._client", "client"}  # their create_task makes a task for an agent, in the CRM
NOT_IN_THE_GRID = {"storage/migrations/env.py"}  # called by Alembic, not by us
ADR_SECTIONS = ("## Context", "## Decision", "## Consequences", "## Alternatives", "## References")
TEXT_FILES = {".py", ".md", ".toml", ".lock", ".sh", ".yaml", ".yml", ".js", ".css", ".html", ".json", ""}


def modules() -> list[Path]:
    """Every module of the package, migrations' numbered versions left out."""
    return sorted(path for path in PACKAGE.rglob("*.py") if "versions" not in path.parts)


def our_python() -> list[Path]:
    """Every Python file that people read: package, tests, scripts."""
    return [*modules(), *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "scripts").rglob("*.py"))]


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def room(path: Path) -> str:
    """The path as the documents write it."""
    return path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else ROOT).as_posix()


def calls(path: Path) -> Iterator[tuple[int, str]]:
    """Each call in a file: line and dotted name of what is called."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            yield node.lineno, ast.unparse(node.func)


def tracked() -> list[Path]:
    """What git holds or would take. Outside a checkout: nothing."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    return [path for line in listing.splitlines() if (path := ROOT / line).is_file()]


def pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


# --- rooms --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", NAMED_BY_THE_USER)
def test_a_path_named_by_the_user_is_the_real_home_of_its_thing(path: str) -> None:
    file = PACKAGE / path
    assert file.is_file(), f"{path} was promised by name: put the thing there"
    assert any(
        isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) for node in tree(file).body
    ), f"{path} defines nothing: the thing itself lives there, not an import of it"


def test_files_stay_short() -> None:
    long = {
        room(path): count
        for path in our_python()
        if (count := len(path.read_text().splitlines())) > FILE_LINES
    }
    assert not long, f"over {FILE_LINES} lines: send weight down a floor (docs/architecture.md): {long}"


def test_functions_stay_short() -> None:
    long = [
        f"{room(path)}:{node.lineno} {node.name}"
        for path in our_python()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > FUNCTION_LINES
    ]
    assert not long, f"over {FUNCTION_LINES} lines: name a part and call it: {long}"


def test_file_names_say_what_is_inside() -> None:
    vague = [room(path) for path in our_python() if BANNED_NAMES.match(path.stem)]
    assert not vague, f"name the one noun that the file holds: {vague}"


def test_every_module_says_its_job() -> None:
    mute = [
        room(path)
        for path in [*modules(), *sorted((ROOT / "scripts").rglob("*.py"))]
        if not ast.get_docstring(tree(path))
    ]
    assert not mute, f"first docstring line: the file's job; second: who calls it: {mute}"


def test_no_module_is_an_empty_stub() -> None:
    empty = [room(path) for path in modules() if path.name != "__init__.py" and len(tree(path).body) < 2]
    assert not empty, f"build it or delete it: {empty}"


def test_the_grid_lists_exactly_the_modules_on_disk() -> None:
    listed = set(grid_modules())
    on_disk = {room(path) for path in modules() if path.name != "__init__.py"} - NOT_IN_THE_GRID
    assert on_disk <= listed, (
        f"not in the grid of docs/architecture.md, add each to its cell: {sorted(on_disk - listed)}"
    )
    assert listed <= on_disk, f"in the grid but not on disk, take them out: {sorted(listed - on_disk)}"


def grid_modules() -> Iterator[str]:
    """Module paths in the grid: a cell names them by stem, its column's head names the folders they live in."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in ARCHITECTURE.read_text().partition("## The grid")[2].partition("\n## ")[0].splitlines()
        if line.startswith("|") and not line.startswith("|---")
    ]
    assert rows, "docs/architecture.md has lost its section '## The grid'"
    folders = [[name.rstrip("/") for name in re.findall(r"`([\w/.]+)`", head)] for head in rows[0]]
    for row in rows[1:]:
        for column, cell in zip(folders, row, strict=True):
            for stem in re.findall(r"`([\w/]+)`", cell):
                candidates = [f"{folder}/{stem}.py".removeprefix("./") for folder in column]
                found = [path for path in candidates if (PACKAGE / path).is_file()]
                yield found[0] if found else candidates[0] if candidates else stem


# --- code ---------------------------------------------------------------------------------------------------------


def test_tasks_have_an_owner() -> None:
    orphans = []
    for path in modules():
        groups = {
            ast.unparse(item.optional_vars)
            for node in ast.walk(tree(path))
            if isinstance(node, ast.AsyncWith)
            for item in node.items
            if item.optional_vars is not None and ast.unparse(item.context_expr).endswith("TaskGroup()")
        }
        orphans += [
            f"{room(path)}:{line} {name}"
            for line, name in calls(path)
            if name.endswith("ensure_future")
            or (
                name.rpartition(".")[2] == "create_task"
                and name.rpartition(".")[0] not in {*groups, *CRM_CLIENTS}
            )
        ]
    assert not orphans, f"start it in `async with asyncio.TaskGroup() as tasks`: {orphans}"


def test_everything_is_caught_in_named_places_only() -> None:
    broad = [
        f"{room(path)}:{node.lineno}"
        for path in modules()
        if room(path) not in MAY_CATCH_EVERYTHING
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler)
        and ast.unparse(node.body[-1]) != "raise"  # cleans up and passes it on
        and (
            node.type is None
            or {"Exception", "BaseException"} & set(re.findall(r"\w+", ast.unparse(node.type)))
        )
    ]
    assert not broad, f"catch what you can handle, by its class: {broad}"


def test_no_split_is_shuffled() -> None:
    shuffles = re.compile(
        r"(^|\.)(train_test_split|Repeated\w*KFold|\w*ShuffleSplit|permutation|shuffle|lightgbm\.cv)$"
    )
    found = [
        f"{room(path)}:{node.lineno} {ast.unparse(node.func)}"
        for path in modules()
        if path.relative_to(PACKAGE).parts[0] in {"ml", "services", "commands"}
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and (
            shuffles.search(ast.unparse(node.func))
            or any(word.arg == "shuffle" and ast.unparse(word.value) != "False" for word in node.keywords)
        )
    ]
    assert not found, f"it lets the future teach the past, cut rows by time with ml/evaluation.py: {found}"


def test_tests_use_fakes_not_patches() -> None:
    patches = [
        f"{room(path)}:{line} {name}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for line, name in calls(path)
        if name in {"patch", "patch.object", "mock.patch", "monkeypatch.setattr", "mocker.patch"}
    ]
    assert len(patches) <= PATCH_BUDGET, f"hand a fake to the constructor instead: {patches}"


def test_every_limit_is_enforced_somewhere() -> None:
    limits = PACKAGE / "limits.py"
    names = re.findall(r"^([A-Z][A-Z0-9_]+): Final", limits.read_text(), re.MULTILINE)
    code = "\n".join(path.read_text() for path in modules() if path != limits)
    unused = [name for name in names if not re.search(rf"\b{name}\b", code)]
    assert not unused, f"a limit that nothing enforces is no limit, use it or delete it: {unused}"


def test_every_promise_is_measured() -> None:
    from ghl_real_estate_ai import budgets
    from ghl_real_estate_ai.commands.benchmarks import BENCHMARKS

    assert set(BENCHMARKS) == set(budgets.PROMISES), (
        "each name in budgets.PROMISES needs a benchmark of that name in benchmarks.BENCHMARKS, and no other"
    )


def test_no_registry_host_and_no_machine_path_is_written_down() -> None:
    hosts = (
        "pypi" + ".org",
        "pythonhosted" + ".org",
        "registry." + "npmjs",
        "deb." + "debian",
        "archive." + "ubuntu",
    )
    machine = (r"/root/\w", r"/home/\w", r"/work/\w", r"/Users/\w", r"file:///\w")
    pattern = re.compile("|".join([*map(re.escape, hosts), *(rf"(?<![\w.]){path}" for path in machine)]))
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked()
        if path.suffix in TEXT_FILES and path != Path(__file__)
        if (match := pattern.search(path.read_text(errors="replace")))
    ]
    assert not found, f"the machine that installs decides on hosts and paths, take them out: {found}"


# --- documents ----------------------------------------------------------------------------------------------------


def test_generated_pages_are_fresh() -> None:
    check = [sys.executable, "scripts/generate_docs.py", "--check"]
    run = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr.strip() or run.stdout.strip()


def test_every_event_says_who_publishes_and_who_hears_it() -> None:
    from ghl_real_estate_ai.models.events import EVENT_TYPES

    mute = [
        e.__name__
        for e in EVENT_TYPES
        if not re.search(r"Published by: .+Heard by: ", e.__doc__ or "", re.DOTALL)
    ]
    assert not mute, f"end the docstring with 'Published by: ... Heard by: ...': {mute}"


def test_every_setting_is_in_the_runbook() -> None:
    from ghl_real_estate_ai.settings import Settings

    runbook = (DOCS / "runbook.md").read_text()
    names = [
        str(f.validation_alias or f"ENTERPRISEHUB_{name.upper()}")
        for name, f in Settings.model_fields.items()
    ]
    missing = [name for name in names if f"`{name}`" not in runbook]
    assert not missing, f"run `make docs`: {missing}"


def test_every_port_is_in_the_architecture_page() -> None:
    text = ARCHITECTURE.read_text()
    ports = [
        node.name
        for file in sorted(PACKAGE.glob("*ports.py"))
        for node in tree(file).body
        if isinstance(node, ast.ClassDef) and "Protocol" in [ast.unparse(parent) for parent in node.bases]
    ]
    missing = [name for name in ports if f"`{name}`" not in text]
    assert not missing, f"add a row to 'Ports and adapters' in docs/architecture.md: {missing}"


def test_every_decision_is_indexed_and_whole() -> None:
    index = (DOCS / "adr" / "README.md").read_text()
    decisions = sorted((DOCS / "adr").glob("[0-9]*.md"))
    numbers = [path.name[:4] for path in decisions]
    assert len(numbers) == len(set(numbers)), f"two decisions share a number, renumber the newer: {numbers}"
    for path in decisions:
        text = path.read_text()
        assert f"({path.name})" in index, f"add docs/adr/{path.name} to docs/adr/README.md"
        missing = [section for section in ("Status", *ADR_SECTIONS) if section not in text]
        assert not missing, f"docs/adr/{path.name} lacks {missing}"


def test_no_link_in_the_documents_is_dead() -> None:
    dead = [
        f"{page.relative_to(ROOT)} -> {target}"
        for page in pages()
        for target in re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", page.read_text())
        if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists()
    ]
    assert not dead, f"mend or remove: {dead}"


def test_documents_name_only_commands_that_exist() -> None:
    import typer

    from ghl_real_estate_ai.cli import app

    commands = set(getattr(typer.main.get_command(app), "commands", {}))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wrong = []
    for page in pages():
        text = page.read_text()
        wrong += [
            f"{page.name}: enterprisehub {c}"
            for c in re.findall(r"`enterprisehub ([a-z]+)", text)
            if c not in commands
        ]
        wrong += [f"{page.name}: make {t}" for t in re.findall(r"`make ([a-z]+)", text) if t not in targets]
    assert not wrong, f"no such command: {wrong}"
