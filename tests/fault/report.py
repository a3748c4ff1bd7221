"""Counts what holds and what does not."""

import sys
import time
import traceback


class Report:
    def __init__(self):
        self.passed, self.failed, self.figures = 0, 0, []
        self.started = time.monotonic()

    def case(self, name, check, *args, **kwargs):
        """One case: `check` raises AssertionError where something does not hold."""
        try:
            check(*args, **kwargs)
        except Exception as error:  # A case that cannot be run has failed.
            self.failed += 1
            where = "" if isinstance(error, AssertionError) else traceback.format_exc()
            print(f"FAILED: {name}: {error}{where}", flush=True)
            return False
        self.passed += 1
        return True

    def figure(self, line):
        print(line, flush=True)
        self.figures.append(line)

    def skip(self, what, why):
        print(f"skipped: {what}: {why}", flush=True)

    def end(self):
        seconds = time.monotonic() - self.started
        print(f"{self.passed} passed, {self.failed} failed in {seconds:.0f} s")
        sys.exit(1 if self.failed or not self.passed else 0)
