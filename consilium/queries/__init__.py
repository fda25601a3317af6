"""Questions about what is stored: pages and documents ask here. Nothing in this package changes anything.

Each question takes a `Reader` (a Transaction is one too) and who asks, and checks what he may see: his own
organisation's or his own consilium's; for everything else the answer is NotFound, as if it were absent.
"""
