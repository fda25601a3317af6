"""The wire: Socket.IO between browsers, the domain and the media workers.

    server.py     makes the Socket.IO server and its parts; `attach` puts it on an aiohttp application
    wire.py       names and shapes of every message; docs/wire.md is generated from it
    dispatch.py   the one wrapper around every message: limit, parse, run, acknowledge
    session.py    ticket -> connection; who is here; grace before somebody is lost
    broadcast.py  committed events -> audience -> emit, in journal order; heads; page hints
    drafting.py   the shared protocol text
    rtc.py        offers and answers on their way to a media worker
    placement.py  rooms on workers: lease, epoch, move
    calls.py      blocking domain calls in their own bounded thread pool
    bots.py       synthetic participants for the demonstration, tests and load

Nothing here decides anything about a consilium, and nothing here is the truth: what is in memory
(presence, the presenter's pointer, media) is rebuilt from the database and from the clients.
"""
