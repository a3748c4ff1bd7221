"""A disk that is full: at every size from nothing to enough, on a small file system in memory."""

import os
import pathlib
import subprocess
import tempfile

import laws
from office import FIRST_LOOK, Office, due, later

STEP = 64 << 10
ENOUGH = 24 << 20


class SmallDisk:
    """A file system of so many bytes; the folder goes with it."""

    def __init__(self, size):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="intransit-disk-"))
        self.mount(f"size={size}")

    def mount(self, options):
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "intransit", self.path], check=True)

    def grow(self):
        self.mount(f"remount,size={256 << 20}")

    def remove(self):
        subprocess.run(["umount", self.path], check=True)
        self.path.rmdir()


def full(program, where, bytes_left):
    """Only so many bytes are left when a report is due; then the disk is made larger."""
    office = Office(program)
    office.run(FIRST_LOOK, "tick", check=0)
    disk = SmallDisk(ENOUGH)
    try:
        for name in where:
            here = office.base / name
            there = disk.path / name
            there.mkdir()
            if here.exists():
                subprocess.run(["cp", "-a", f"{here}/.", there], check=True)
                subprocess.run(["rm", "-r", here], check=True)
            os.symlink(there, here)
        fill(disk, bytes_left)
        done = office.run(due(0), "tick")
        assert "panicked" not in done.said, done.said
        assert done.returncode in {0, 4, 5}, f"exit code {done.returncode}: {done.said}"
        if done.returncode != 0:
            assert "error" in done.said, done.said
        disk.grow()
        office.come_to_rest(later(due(0), minutes=5))
        laws.check(office, due(0))
        return done.returncode
    finally:
        office.remove()
        disk.remove()


def fill(disk, left):
    """Leaves so many bytes."""
    facts = os.statvfs(disk.path)
    size = facts.f_bavail * facts.f_frsize - left
    with open(disk.path / "filler", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(size, 1))


def run(report, options):
    if os.geteuid() != 0:
        return report.skip("full disks", "only root may mount a small one")
    try:
        SmallDisk(1 << 20).remove()
    except subprocess.CalledProcessError as error:
        return report.skip("full disks", f"no file system can be mounted: {error}")
    # What the state, the evidence and the outbox take is far below a megabyte each.
    places = {"state": ["state"], "outbox": ["outbox"], "evidence": ["evidence"],
              "all": ["state", "outbox", "evidence"]}
    for name, where in places.items():
        ends = []
        sizes = range(0, 18 << 20, STEP)
        sizes = [size for size in sizes if size <= 1 << 20 or size % (2 << 20) == 0]
        if options.short:
            sizes = sizes[1::9]
        for left in sizes:
            report.case(f"full disk: {name}: {left} bytes left",
                        lambda left=left: ends.append(full(options.program, where, left)))
        report.figure(f"disk: {name}: {len(sizes)} sizes, {len([end for end in ends if end])} "
                      "did not suffice")
    return None
