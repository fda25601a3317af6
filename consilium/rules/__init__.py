"""Decisions without I/O: `ls` is the domain's table of contents.

A rule takes model objects and the moment `at`, changes them and returns the events to journal, or raises
a ConsiliumError and changes nothing. Every rule names its clause; `docs/rules.md` lists them.
"""
