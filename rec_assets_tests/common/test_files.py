"""A file or folder is replaced as a whole, after its content is on the disk."""

import os
from pathlib import Path

import pytest

from rec_assets.common.files import write_atomically


def test_a_file_replaces_the_one_before_and_no_draft_stays(tmp_path: Path) -> None:
    target = tmp_path / "new" / "numbers.npy"
    for text in ("old", "new"):
        with write_atomically(target) as draft:
            assert draft.name == target.name
            draft.write_text(text)
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_a_folder_appears_with_all_its_files(tmp_path: Path) -> None:
    target, drafts = tmp_path / "version", tmp_path / "drafts"
    with write_atomically(target, drafts) as draft:
        (draft / "part").mkdir(parents=True)
        (draft / "part" / "rows").write_text("1")
        assert drafts in draft.parents and not target.exists()
    assert (target / "part" / "rows").read_text() == "1"
    assert not list(drafts.iterdir())


def test_an_error_leaves_the_old_content(tmp_path: Path) -> None:
    target = tmp_path / "rows"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), write_atomically(target) as draft:
        draft.write_text("half of the new")
        1 / 0  # noqa: B018
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_content_is_on_the_disk_before_the_rename_and_the_rename_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, replace = os.fsync, os.replace

    def note_sync(descriptor: int) -> None:
        sync(descriptor)
        done.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)

    def note_replace(draft: Path, target: Path) -> None:
        replace(draft, target)
        done.append("renamed")

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_replace)
    with write_atomically(tmp_path / "version") as draft:
        draft.mkdir()
        (draft / "rows").write_text("1")
    assert done == ["version", "rows", "renamed", tmp_path.name]
