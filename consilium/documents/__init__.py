"""Facts to bytes: what a protocol says (facts), the bytes that are signed (cda), what may enter them (validate).

Start at facts.py. Nothing here reads a clock, a database or a setting: the same facts give the same bytes.
"""
