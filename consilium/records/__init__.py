"""What is attached to a case: bytes under their digest, taken in only after a look from inside a small cage.

Start at files.py; inspect.py is the program that looks.
"""
