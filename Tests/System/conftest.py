import pytest

import ibstream


@pytest.fixture
def lab(tmp_path):
    # ipc paths have room for 107 bytes; pytest's own folders are long enough to matter.
    lab = ibstream.Lab(tmp_path)
    yield lab
    lab.end()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the last lines that its programs logged."""
    outcome = yield
    report = outcome.get_result()
    lab = item.funcargs.get("lab") if hasattr(item, "funcargs") else None
    if report.when == "call" and report.failed and lab is not None:
        for process in lab.processes:
            report.sections.append((f"{process.name} (stderr)", process.stderr()[-3000:]))
