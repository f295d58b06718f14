"""A draft of a killed process is deleted, and a draft of a running one is not."""

import os
import subprocess
import sys
import time
from pathlib import Path

from rec_assets.storage.artifacts.drafts import ABANDONED_S, delete_abandoned, new_draft
from rec_assets.storage.artifacts.store import ArtifactStore

OLD = time.time() - 2 * ABANDONED_S


def age(draft: Path) -> None:
    os.utime(draft, (OLD, OLD))


def test_publishing_deletes_the_drafts_of_killed_runs(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    code = f"""
import os, signal
from pathlib import Path
from rec_assets.storage.artifacts.store import ArtifactStore
with ArtifactStore(Path({str(tmp_path)!r})).publish("rows", "2025-03-03") as draft:
    (draft.path / "rows.txt").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    (left,) = store.folder("rows", "2025-03-03").glob(".draft-*")
    age(left)
    with store.publish("rows", "2025-03-03") as draft:
        age(draft.path)
        (other,) = store.delete_leftovers()
        assert other == left and draft.path.is_dir() and not left.exists()
        (draft.path / "rows.txt").write_text("whole")
    assert not list(store.folder("rows", "2025-03-03").glob(".draft-*"))


def test_a_fresh_draft_and_the_target_of_a_link_stay(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine.txt").touch()
    folder = tmp_path / "folder"
    (folder / ".draft-fresh").mkdir(parents=True)
    link = folder / ".draft-link"
    link.symlink_to(outside)
    os.utime(link, (OLD, OLD), follow_symlinks=False)
    with new_draft(folder) as draft:
        age(draft)
        assert delete_abandoned(folder) == [link]
    assert (outside / "mine.txt").exists() and [path.name for path in folder.iterdir()] == [".draft-fresh"]
