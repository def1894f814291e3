"""Random operations under `kill -9`: what was acknowledged is there once, and everybody was told.

    python -m tests.storm --engine postgres --operations 10000 --seed 1

history.py      what was done and what was answered: the evidence
client.py       a client that asks again, with the same key, until there is an answer
operations.py   every kind of change, at random
sinks.py        receivers of webhooks that fail, lag, break off and hang, and remember
clock.py        one virtual clock for several processes
child.py        one gateway or worker process; bugs.py: what may be wrong with it, on purpose
fleet.py        starts them, kills them, starts them again
cluster.py      a PostgreSQL server of one's own, which may be killed as well
storm.py        one run, from the first process to the last webhook
verdict.py      what the evidence and the store say about it
"""
