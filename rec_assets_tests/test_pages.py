"""Tests links, English and generated parts of the pages."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / name for name in subprocess.check_output(["git", "ls-files", "*.md"], cwd=ROOT, text=True).split()]


def run(tool: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "tools" / tool, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_drawn_lineage_is_that_of_the_definitions() -> None:
    drawn = run("lineage-diagram")
    assert drawn.returncode == 0, drawn.stderr
    assert "two_tower_model --> dlrm_model" in drawn.stdout
    assert drawn.stdout in (ROOT / "docs/architecture.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([\w-]+))?\)", page.read_text())
    for target, heading in targets:
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{target} of {page}"
        if heading:
            titles = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_the_readme_is_a_door() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


LONG = " ".join(["word"] * 31) + "."


@pytest.mark.parametrize(
    ("name", "text", "finding"),
    [
        ("a.py", '"""What a module holds."""', "begins with a question word"),
        ("a.py", f'"""Holds.\n\n{LONG}\n"""', "a sentence of 31 words"),
        ("a.py", '"""Whatever it holds."""', ""),
        ("a.md", f"First.\n\n- {LONG}", "a.md:3: a sentence of 31 words"),
        ("a.md", f"| {LONG} |\n\n```\n{LONG}\n```", ""),
        ("a.md", "a" * 161, "a line of 161 characters"),
        ("a.md", f"[a]({'b' * 200})", ""),
        ("a.md", "<" * 7 + " HEAD", "a.md:1: a mark of a merge"),
    ],
)
def test_what_makes_a_reader_stop_is_flagged(tmp_path: Path, name: str, text: str, finding: str) -> None:
    (tmp_path / name).write_text(text)
    checked = run("check-english", tmp_path / name)
    assert checked.returncode == bool(finding), checked.stderr
    assert finding in checked.stdout


def test_the_project_is_written_so() -> None:
    checked = run("check-english")
    assert checked.returncode == 0, checked.stdout
