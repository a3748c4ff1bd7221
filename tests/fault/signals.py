"""SIGTERM and SIGKILL in every phase of a run, and while the relay is asked."""

import signal
import subprocess
import time

import laws
from office import FIRST_LOOK, Office, due, later
from relay import Relay


def signalled(program, name, wait, command, relay=None):
    """One signal after so many seconds; gives the exit code."""
    office = Office(program)
    if relay:
        office.settings(relay.port)
        relay.arrived.clear()
    office.run(FIRST_LOOK, "tick", check=0)
    process = subprocess.Popen(office.command(due(0), *command), cwd=office.base,
                               stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    time.sleep(wait)
    process.send_signal(name)
    said = process.communicate(timeout=60)[1].decode(errors="replace")
    code = process.returncode
    assert "panicked" not in said, said
    if name == signal.SIGTERM and command == ["daemon"] and wait > 0.2:
        assert code == 0, f"SIGTERM ends the daemon with {code}: {said}"
    office.come_to_rest(later(due(0), minutes=5))
    laws.check(office, due(0), arrived=relay.arrived if relay else None)
    office.remove()
    return code


def run(report, options):
    moments = 4 if options.short else 40
    relay = Relay()
    for name in (signal.SIGTERM, signal.SIGKILL):
        for command in (["daemon"], ["tick"]):
            for way in (None, relay):
                for moment in range(moments):
                    wait = 0.01 + moment * (0.6 / moments)
                    report.case(f"{name.name} {command[0]} after {wait:.3f} s", signalled,
                                options.program, name, wait, command, way)
    relay.stop()
    report.figure(f"signals: SIGTERM and SIGKILL, daemon and tick, folder and relay: "
                  f"{8 * moments} moments")
