"""The packet path: everything that happens to a datagram between two sockets, and nothing else.

`table` is what the rest of the relay writes (who is who, who receives what) and the port both forwarders
implement; `python` is the forwarder in pure Python, fallback and oracle; `compiled` binds `fanout.c`, which runs
on a thread of its own outside the interpreter lock. Nothing outside this package knows which of them runs.
"""
