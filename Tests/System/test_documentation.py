"""The documents keep their word: their commands exist, their programs run."""

import fnmatch
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
    assert ".build/release/ib-" not in text, "programs are on PATH"


def test_the_map_names_every_folder():
    text = (REPOSITORY / "docs/architecture.md").read_text()
    [table] = re.findall(r"^## Where what is\n(.*?)^## ", text, re.M | re.S)
    named = {pathlib.Path(word).name for word in re.findall(r"`([^`]+)`", table)}
    folders = [*(REPOSITORY / "Sources").iterdir(), *(REPOSITORY / "Benchmarks").iterdir(), REPOSITORY / "systemd",
               *(folder for folder in (REPOSITORY / "Tests").iterdir() if not folder.name.endswith("Tests"))]
    missing = [folder.name for folder in folders if folder.is_dir() and folder.name not in named | {"out", "__pycache__"}]
    assert missing == []


def modules():
    """Folders of Sources with code of ours: the others are a Debian library each."""
    return sorted(folder for folder in (REPOSITORY / "Sources").iterdir() if folder.is_dir() and not (folder / "module.modulemap").exists())


@pytest.mark.parametrize("module", modules(), ids=lambda folder: folder.name)
def test_every_module_says_what_each_of_its_files_is_for(module):
    """Type+Topic.swift belongs to Type; `Segment*` is every file that begins so."""
    rows = re.findall(r"^\| (`.*?) \|", (module / "README.md").read_text(), re.M)
    patterns = [pattern for row in rows for pattern in re.findall(r"`([^`]+)`", row)]
    names = {path.stem.split("+")[0] for path in module.rglob("*") if path.suffix in (".swift", ".c", ".h")}
    assert names and patterns
    missing = sorted(name for name in names if not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns))
    assert missing == [], f"{module.name}/README.md does not say what these are for"
    gone = [pattern for pattern in patterns if not fnmatch.filter(names, pattern)]
    assert gone == [], f"{module.name}/README.md names what is not there"


def test_what_comments_and_documents_cite_is_there():
    result = subprocess.run([REPOSITORY / "scripts/check-sources"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("comment, fault", [
    ("/// Source: the design's section 4.", "no file of the repository"),
    ("/// Source: PAGES/gone.md.", "gone.md is not there"),
    ("/// One thing. Source: PAGES/page.md#gone, and\n/// PAGES/page.md#here.", "no heading for #gone"),
    ("/// As PAGES/page.md#nowhere says.", "no heading for #nowhere"),
    ("/// Source: PAGES/page.md#here-and-there; another line of the same\n/// paragraph names Sources/Gone.swift.",
     "Sources/Gone.swift is not there"),
])
def test_a_source_that_nobody_can_look_up_is_refused(tmp_path, comment, fault):
    for folder in ("docs", "Sources"):
        (tmp_path / folder).mkdir()
    (tmp_path / "Makefile").touch()
    (tmp_path / "Package.swift").touch()
    (tmp_path / "docs" / "page.md").write_text("# Page\n\n## Here, and there\n")
    sound = "/// Source: PAGES/page.md#here-and-there.\nlet a = 1\n/// Source: fdatasync(2).\n/// Source: https://x.org/y.\n"
    code = tmp_path / "Sources/One.swift"
    code.write_text(sound.replace("PAGES", "docs"))
    check = [REPOSITORY / "scripts/check-sources", tmp_path]
    assert subprocess.run(check, capture_output=True, text=True).stderr == ""
    code.write_text((sound + "let b = 2\n" + comment + "\n").replace("PAGES", "docs"))
    result = subprocess.run(check, capture_output=True, text=True)
    assert result.returncode == 1 and fault in result.stderr, result.stderr


def test_comments_are_narrow_and_every_public_type_has_one():
    result = subprocess.run([REPOSITORY / "scripts/check-comments"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("text, fault", [
    ("public struct Bare {}\n", "Bare is public and has no doc comment"),
    ("/// One.\npublic enum One {\n    @frozen\n    public indirect enum Two: Sendable { case one }\n}\n", ":4: Two is public"),
    ("// No doc comment.\npublic final class Three {}\n", "Three is public"),
    ("/// " + "word " * 24 + "\nlet a = 1\n", "a comment of 124 columns"),
    ("/* One.\n   " + "word " * 24 + "*/\n", "a comment of 125 columns"),
])
def test_a_comment_that_is_wide_or_missing_is_refused(tmp_path, text, fault):
    (tmp_path / "Sources").mkdir()
    code = tmp_path / "Sources/One.swift"
    check = [REPOSITORY / "scripts/check-comments", tmp_path]
    code.write_text("/// A type.\n@frozen\npublic struct Sound {}\n/// https://" + "x" * 120 + "\nstruct Inner {}\n")
    assert subprocess.run(check, capture_output=True, text=True).stderr == ""
    code.write_text(text)
    result = subprocess.run(check, capture_output=True, text=True)
    assert result.returncode == 1 and fault in result.stderr, result.stderr


def contributors_commands():
    lines = [line.split(" #")[0].strip() for block in blocks(REPOSITORY / "CONTRIBUTING.md", "sh") for line in block.splitlines()]
    return [pytest.param(line, id=line.split("/")[-1][:60]) for line in lines if line]


def built_unit_tests():
    for scratch in (".build", ".build-address", ".build-thread"):
        if (REPOSITORY / scratch / "debug/ib-streamPackageTests.xctest").exists():
            return scratch
    return None


def test_contributors_have_one_page_with_every_kind_of_test():
    assert len((REPOSITORY / "CONTRIBUTING.md").read_text().splitlines()) <= 70
    lines = " ".join(param.values[0] for param in contributors_commands())
    for word in ("make build", "scripts/unit-tests", "pytest", "scripts/fuzz", "make lint", "make test"):
        assert word in lines, word


@pytest.mark.parametrize("line", contributors_commands())
def test_what_contributors_are_told_to_run_runs(line):
    words = shlex.split(line)
    env = {**os.environ, "IB_STREAM_BIN": str(BIN)}
    if words[0] == "make":
        command = ["make", "-n", *words[1:]]
    elif words[0] == "swift":
        assert words == ["swift", "build", "--build-tests"]
        assert "build --build-tests" in (REPOSITORY / "scripts/sanitize").read_text(), "who builds them in a test run"
        return
    elif words[0] == "scripts/unit-tests":
        words[1] = built_unit_tests()
        if words[1] is None:
            pytest.skip("no unit tests are built: 'make unit' or 'swift build --build-tests' does that")
        command = words
    elif words[0] == "scripts/fuzz":
        targets = re.findall(r'name: "([a-z]+)"', "".join(f.read_text() for f in (REPOSITORY / "Tests/Fuzz").glob("*Targets.swift")))
        assert words[1] == "--seconds" and words[3] in targets, targets
        # Its build takes minutes; .ci/run has all targets for some seconds.
        command = words if os.environ.get("IB_STREAM_FULL") else ["scripts/fuzz", "--help"]
    else:
        assert words[0] == "IB_STREAM_BIN=.build/debug" and words[1:4] == [".venv/bin/python", "-m", "pytest"], line
        command = [sys.executable, *words[2:]]
    result = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=40 * PATIENCE)
    assert result.returncode == 0, f"{line}: {result.stdout[-3000:]}{result.stderr[-3000:]}"
    if "pytest" in words:
        assert re.search(r"\b[1-9]\d* passed", result.stdout), result.stdout[-3000:]


def test_a_pattern_that_matches_no_unit_test_is_a_failure():
    scratch = built_unit_tests()
    if scratch is None:
        pytest.skip("no unit tests are built: 'make unit' or 'swift build --build-tests' does that")
    result = subprocess.run(["scripts/unit-tests", scratch, "NoSuchTests"], cwd=REPOSITORY, capture_output=True, text=True)
    assert result.returncode == 1 and "no test has run" in result.stderr, result.stdout + result.stderr


def test_the_installation_by_hand_puts_there_what_the_units_name(lab):
    [text] = blocks(REPOSITORY / "docs/configuration.md", "sh")
    root = lab.folder / "installed"
    for folder in ("usr/bin", "etc/systemd/system", "etc/ib-stream"):  # Debian's, and what systemd-tmpfiles makes
        (root / folder).mkdir(parents=True)
    lab.configure(4002, EIGHT)
    for line in text.splitlines():
        words = shlex.split(line.removeprefix("sudo "))
        if words[0] != "install":
            continue
        if "-g" in words:  # no such group here
            del words[words.index("-g"):words.index("-g") + 2]
        words[words.index("-t") + 1] = f"{root}{words[words.index('-t') + 1]}"
        words = [word.replace(".build/release", str(BIN)) for word in words]
        words = [str(lab.folder / word) if word == "ib-stream.yaml" else word for word in words]
        result = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True)
        assert result.returncode == 0, f"{line}: {result.stderr}"
    units = sorted((REPOSITORY / "systemd").iterdir())
    assert {unit.name for unit in units} <= {path.name for path in root.rglob("*")}
    for unit in units:
        for path in re.findall(r"^(?:Documentation=file://|ExecStart=)(\S+)", unit.read_text(), re.M):
            assert (root / path.lstrip("/")).exists(), f"{unit.name}: {path}"
    assert (root / "etc/ib-stream/ib-stream.yaml").exists() and os.access(root / "usr/bin/ib-stream", os.X_OK)


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
    if name == "export":
        assert line == "export PATH=$PWD/.build/release:$PATH"
        assert "\nBIN := .build/release\n" in (REPOSITORY / "Makefile").read_text()
    elif name == "make":
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
                        "systemd-tmpfiles", "systemd-analyze", "useradd", "python3", "ulimit", "coredumpctl", "lldb", "gdb", "kill"), line


def test_the_lines_that_operators_match_on_are_those_of_the_code():
    text = (REPOSITORY / "docs/debugging.md").read_text()
    [table] = re.findall(r"^\| line begins with \| from \| when \|\n\|---\|---\|---\|\n((?:\|.*\n)+)", text, re.M)
    programs = {"ib-connector": "Connector", "ib-recorder": "Recorder", "ib-watchdog": "Watchdog", "every service": "ServiceKit"}
    for row in table.splitlines():
        line, source = row.split("|")[1:3]
        folder = programs[source.strip().strip("`")]
        code = " ".join(path.read_text() for path in (REPOSITORY / "Sources" / folder).rglob("*.swift"))
        # In one message, from its first word on; what stands between is the message's own.
        first, *rest = (re.escape(part) for part in re.findall(r"`([^`]+)`", line))
        pattern = '"' + first + "".join(r'[^"\n]*' + part for part in rest)
        assert re.search(pattern, code), f"no message of {folder}: {line}"


def test_the_exit_statuses_are_those_of_the_code():
    code = (REPOSITORY / "Sources/ServiceKit/ExitStatus.swift").read_text()
    statuses = set(re.findall(r"^    case \w+ = (\d+)$", code, re.M))
    documented = re.findall(r"^\| (\d+) \| (?:all|commands|`status`) \|", (REPOSITORY / "docs/debugging.md").read_text(), re.M)
    assert len(statuses) > 5 and sorted(statuses) == sorted(documented)


def test_the_block_program_reads_the_log_and_the_journal_and_finds_damage(recording):
    [program] = blocks(REPOSITORY / "docs/debugging.md", "python")

    def printed(*words):
        result = subprocess.run([sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True,
                                timeout=PATIENCE)
        assert result.returncode == 0, result.stderr
        return result.stdout.splitlines()

    [part, *_] = sorted((recording.state / "log").glob("*.log"))
    copy = recording.folder / "copy.log"
    copy.write_bytes(part.read_bytes())
    lines = printed(copy)
    assert "key table" in lines[0] and all(line.endswith("sound") or " sound seq " in line for line in lines)
    tables = [line for line in lines if "key table" in line]
    assert len(tables) == 1 and len(lines) > 5
    at, entries = re.match(r"(\d+): .* (\d+) entries", lines[3]).groups()
    one = printed(copy, at)
    assert one[0] == lines[3] and len(one) == 1 + int(entries), "the block and its records"
    epoch, seq = re.match(r"  (\d+)\.(\d+) con_id", one[1]).groups()
    assert f"sound seq {seq} epoch {epoch}" in one[0]
    damaged = bytearray(copy.read_bytes())
    damaged[int(at) + 40] ^= 1
    copy.write_bytes(damaged)
    again = printed(copy)
    assert len(again) == len(lines) and "DAMAGED" in again[3] and again[4:] == lines[4:]
    journals = [path for path in (recording.run / "journal").glob("*.log")]
    assert any("records" in line for path in journals for line in printed(path))


def test_every_program_has_a_help_with_examples():
    for name in ("ib-connector", "ib-recorder", "ib-watchdog", "ib-stream", "ib-simulator"):
        result = subprocess.run([BIN / name, "--help"], capture_output=True, text=True)
        assert result.returncode == 0 and "xample" in result.stdout, name
        result = subprocess.run([BIN / name, "--version"], capture_output=True, text=True)
        assert result.returncode == 0, name
        first, commit, formats, protocols = result.stdout.splitlines()
        assert re.fullmatch(rf"{name} \d+\.\d+\.\d+", first)
        assert re.fullmatch(r"commit: ([0-9a-f]{12}( with changes that are not committed)?|not known, built .*)", commit), commit
        changes = " ".join((REPOSITORY / "CHANGELOG.md").read_text().split())
        for what in re.findall(r"([a-zA-Z ]+ \d+)", formats.split(": ")[1] + ", " + protocols.split(": ")[1]):
            assert what.strip() in changes, f"{what} has no line in CHANGELOG.md"
        feed, json = re.findall(r" (\d+)", protocols)
        assert f"This is version {feed} of the feed" in (REPOSITORY / "docs/feed-protocol.md").read_text()
        assert f"This is version {json} of JSON" in (REPOSITORY / "docs/json.md").read_text()


def test_the_commit_is_that_of_the_tree(tmp_path):
    """What --version tells is made by scripts/commit when `make` builds."""
    assert "BUILD_COMMIT=$$(scripts/commit) swift build" in (REPOSITORY / "Makefile").read_text()
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/commit").write_text((REPOSITORY / "scripts/commit").read_text())

    def commit():
        return subprocess.run(["sh", "scripts/commit"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    def git(*words):
        return subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x", *words], cwd=tmp_path, check=True,
                              capture_output=True, text=True).stdout.strip()

    assert commit() == "", "a copy without git"
    git("init", "-q")
    git("add", "-A")
    git("commit", "-q", "-m", "one")
    assert commit() == git("rev-parse", "HEAD")[:12]
    (tmp_path / "scripts/commit").open("a").write("# more\n")
    assert commit() == git("rev-parse", "HEAD")[:12] + "+"
    below = tmp_path / "copy"
    (below / "scripts").mkdir(parents=True)
    (below / "scripts/commit").write_text((REPOSITORY / "scripts/commit").read_text())
    result = subprocess.run(["sh", "scripts/commit"], cwd=below, check=True, capture_output=True, text=True)
    assert result.stdout == "", "a copy within another repository is not that repository's commit"


def test_the_file_format_programs_read_a_log_part_and_a_segment(recording):
    """docs/file-format.md reads both kinds of files with nothing but Python and NumPy."""
    log_program, segment_program = blocks(REPOSITORY / "docs/file-format.md", "python")

    def printed(program, path):
        result = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True,
                                timeout=PATIENCE)
        assert result.returncode == 0, result.stderr
        return result.stdout

    [part, *_] = sorted((recording.state / "log").glob("*.log"))
    assert int(printed(log_program, part).split()[0]) > 1_000
    recording.ib_stream("seal", "--now", "--root", recording.root)
    segments = sorted((recording.state / "ticks").rglob("*.ticks"))
    assert len(segments) == 8
    functions = {}
    exec(compile(segment_program.split("if __name__")[0], "read_segment.py", "exec"), functions)
    for segment in segments:
        raw = recording.folder / "raw"
        with open(raw, "wb") as out:
            subprocess.run([BIN / "ib-stream", "cat", segment, "--format", "raw"], stdout=out, check=True)
        ticks = functions["read_segment"](segment)
        assert ticks.tobytes() == raw.read_bytes(), segment
        assert int(printed(segment_program, segment).split()[0]) == len(ticks) > 0
