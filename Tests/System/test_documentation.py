"""The documents keep their word: their commands exist, their programs run."""

import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

from ibstream import BIN, PATIENCE, REPOSITORY, wait_for
from test_pipeline import EIGHT, ticks_numbered

DOCUMENTS = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")])


def blocks(document, language):
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), re.M | re.S)


@pytest.fixture
def recording(lab):
    sim = lab.simulator("--rate", "1000", "--seed", "12")
    config = lab.configure(sim.port, EIGHT)
    lab.recorder(config)
    lab.connector(config)
    wait_for("5,000 ticks", lambda: ticks_numbered(lab) > 5_000)
    lab.settle()
    return lab


def test_the_readme_has_what_it_promises_in_its_order():
    text = (REPOSITORY / "README.md").read_text()
    headings = re.findall(r"^## (.*)$", text, re.M)
    assert headings == ["Two commands", "The parts", "With a real IB Gateway", "Live ticks in Python",
                        "Where the files are, and how to read them", "More"]
    for target in re.findall(r"\]\((docs/[^)#]+)", text):
        assert (REPOSITORY / target).exists(), target


def test_the_python_programs_of_the_readme_run(recording):
    live, files = blocks(REPOSITORY / "README.md", "python")
    assert len([line for line in live.splitlines() if line.strip()]) <= 17
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    with subprocess.Popen([sys.executable, "-u", "-c", live, str(recording.run)], stdout=subprocess.PIPE, text=True,
                          env=env) as program:
        for _ in range(20):
            time, bid, ask = program.stdout.readline().split()
            assert time.startswith("20") and 0 < float(bid) < float(ask)
        program.kill()
    result = subprocess.run([sys.executable, "-c", files, "265598.last", str(recording.root)], capture_output=True,
                            text=True, timeout=PATIENCE, env=env)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout.split()[0]) > 10


def test_the_configuration_of_the_readme_is_valid(lab):
    [text] = blocks(REPOSITORY / "README.md", "yaml")
    path = lab.folder / "ib-stream.yaml"
    path.write_text(text)
    assert "2 contracts, 4 streams" in lab.ib_stream("config", "check", path)


def commands():
    for document in DOCUMENTS:
        for block in blocks(document, "sh"):
            for line in block.splitlines():
                line = line.split(" #")[0].strip()
                if line:
                    yield pytest.param(line, id=f"{document.name}: {line}"[:80])


@pytest.mark.parametrize("line", list(commands()))
def test_every_command_in_the_documents_is_known(line):
    """The program exists and knows the flags; what needs a running system is run by other tests."""
    words = shlex.split(line)
    name = pathlib.Path(words[0]).name
    if name == "make":
        targets = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.M)
        assert all(word in targets for word in words[1:]), line
    elif name == "ib-stream":
        help_text = subprocess.run([BIN / name, words[1], "--help"], capture_output=True, text=True)
        assert help_text.returncode == 0, line
        for flag in [w.split("=")[0] for w in words[2:] if w.startswith("--")]:
            assert flag in help_text.stdout, f"{line}: {flag}"
    elif name.startswith("ib-"):
        help_text = subprocess.run([BIN / name, "--help"], capture_output=True, text=True)
        for flag in [w.split("=")[0] for w in words[1:] if w.startswith("--")]:
            assert flag in help_text.stdout, f"{line}: {flag}"
    else:
        assert name in ("curl", "systemctl", "journalctl", "install", "cp", "sudo", "systemd-sysusers",
                        "systemd-tmpfiles", "systemd-analyze", "useradd", "python3"), line


def test_every_program_has_a_help_with_examples():
    for name in ("ib-connector", "ib-recorder", "ib-watchdog", "ib-stream", "ib-simulator"):
        result = subprocess.run([BIN / name, "--help"], capture_output=True, text=True)
        assert result.returncode == 0 and "xample" in result.stdout, name
        result = subprocess.run([BIN / name, "--version"], capture_output=True, text=True)
        assert result.returncode == 0 and re.match(rf"{name} \d+\.\d+\.\d+\n", result.stdout), name


def test_the_file_format_program_reads_a_log_part(recording):
    """docs/file-format.md reads a part with nothing but Python and NumPy."""
    parts = sorted((recording.state / "log").glob("*.log"))
    for program in blocks(REPOSITORY / "docs/file-format.md", "python"):
        env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
        result = subprocess.run([sys.executable, "-c", program, str(parts[0]), str(recording.root)],
                                capture_output=True, text=True, timeout=PATIENCE, env=env)
        assert result.returncode == 0, result.stderr
        assert result.stdout.strip(), "it prints something"
