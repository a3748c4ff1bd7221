#!/usr/bin/env python3
"""Says which part of each source file ran: `coverage.py PROGRAM EDGES`.

EDGES is what a target wrote down with INTRANSIT_COVERAGE: address, and 1 where it ran.
"""

import collections
import subprocess
import sys

LEAST = 20  # edges, below which a file tells nothing


def main():
    program, edges = sys.argv[1], [line.split() for line in open(sys.argv[2])]
    addresses = "\n".join(address for address, _ in edges)
    found = subprocess.run(["addr2line", "-e", program], input=addresses, text=True,
                           capture_output=True, check=True).stdout.splitlines()
    files = collections.defaultdict(lambda: [0, 0])
    for (_, ran), place in zip(edges, found):
        name = place.rsplit(":", 1)[0]
        if "/src/" not in name or "/.cargo/" in name or "/rustc/" in name or "/library/" in name:
            continue
        name = "src/" + name.split("/src/", 1)[1]
        files[name][0] += int(ran)
        files[name][1] += 1
    reached = {name: counts for name, counts in files.items() if counts[0]}
    for name, (ran, all_) in sorted(reached.items()):
        if all_ >= LEAST:
            print(f"{ran * 100 // all_:3} %  {ran:6} of {all_:6}  {name}")


main()
