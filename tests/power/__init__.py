"""Power cuts, full disks and disks that fail, under the gateway on SQLite.

    python -m tests.power --cuts 10000

disk.c       stands between a process and its files: writes down every change, lets calls fail
disk.py      compiles it, starts a process behind it, and tells it which call is to fail
tape.py      what it wrote down, and what the files may be after a cut at any moment of it
history.py   what was asked and answered, and when by the tape: the evidence
work.py      clients that change all kinds of things, and ask again when they hear 5xx
child.py     a gateway behind that disk, with its clients; bugs.py: what may be wrong, on purpose
states.py    one state of the files: opened as the product opens it, and judged
power.py     whole runs: cuts, failing calls, failing starts, and their figures
"""
