"""Decisions without I/O: `ls` here is the table of contents of the domain.

A rule takes model objects, the moment `at` and ids, changes the objects it was given and returns the
events that happened; it raises a ConsiliumError and changes nothing when it refuses.
"""
