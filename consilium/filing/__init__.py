"""Filing of sealed protocols with a registry: one port, adapters behind it, a state machine that never forgets.

Start at port.py for the words, states.py for what may happen, remd.py for the wire.
"""
