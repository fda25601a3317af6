"""A registry of its own that behaves like РЭМД, and badly when asked to: for demonstration and tests.

It shares with the product nothing but the shapes of the wire (consilium.filing.wire). Start at server.py.
"""
