"""Three API and two worker processes on a PostgreSQL pair, each on a host of its own: partitions,
restarts and failovers under load, and what the recorded history says about it.

    python -m tests.replicas --seconds 300 --seed 1

network.py      hosts, switches and cables: network namespaces
pair.py         a primary, its synchronous standby, and an address that follows the primary
fleet.py        the gateway's processes on their hosts; child.py: one of them; bugs.py: what may be
                wrong with it, on purpose
history.py      every call, with its start, its end and its answer
linear.py       whether there is an order of the calls on one key or token that explains them all
load.py         clients that race one key and one token over several processes
revocation.py   an application that is disabled again and again, and who still lets it in
trouble.py      cables pulled, processes killed, primaries lost
run.py          one run, from the first host to the verdict
verdict.py      what the history and the store say about it
"""
