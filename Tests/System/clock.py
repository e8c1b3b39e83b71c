"""A clock that a test sets while programs run: `clock_shim.c`, compiled here and preloaded."""

import mmap
import os
import pathlib
import struct
import subprocess

SOURCE = pathlib.Path(__file__).resolve().parent / "clock_shim.c"


class Clock:
    """`env` goes to the programs whose real-time clock is set; all of them show the same."""

    def __init__(self, folder):
        library = folder / "clock_shim.so"
        if not library.exists():
            # Whole under its name, whoever else makes it.
            made = folder / f"clock_shim.{os.getpid()}.so"
            subprocess.run(["gcc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", made, SOURCE], check=True)
            made.rename(library)
        path = folder / "clock.offset"
        path.write_bytes(bytes(mmap.PAGESIZE))
        with open(path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.env = {"LD_PRELOAD": str(library), "CLOCK_SHIM": str(path)}

    def set(self, seconds):
        """So many seconds ahead of the real time; below zero: behind it."""
        self.page[:8] = struct.pack("<q", int(seconds * 1_000_000_000))
