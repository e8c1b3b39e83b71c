"""systemd-tmpfiles, as it cleans temporary directories each day, with everything old enough to go."""

import os
import re
import shutil
import subprocess

CLEANER = shutil.which("systemd-tmpfiles")


def clean(directories, rules):
    """Cleans what lies beneath these directories. Returns what was removed of what is not ours to lose.

    In each lies something that nobody holds, and that it has to remove: else it cleans nothing, and proves nothing."""
    baits = [directory / "old" / "folder" / "file" for directory in directories]
    for bait in baits:
        bait.parent.mkdir(parents=True)
        bait.touch()
    rules.write_text("".join(f"q {directory} - - - 0\n" for directory in directories))
    words = [CLEANER, "--clean", *(f"--prefix={directory}" for directory in directories), rules]
    result = subprocess.run(words, capture_output=True, text=True, env=dict(os.environ, SYSTEMD_LOG_LEVEL="debug"), timeout=60)
    assert result.returncode == 0, result.stderr[-1000:]
    removed = re.findall(r'^Removing (?:directory )?"(.*)"\.$', result.stderr, re.MULTILINE)
    old = [str(directory / "old") for directory in directories]
    assert all(str(bait) in removed for bait in baits), f"the cleaner does not clean: {result.stderr[-1000:]}"
    return [path for path in removed if not any(path == folder or path.startswith(folder + "/") for folder in old)]
