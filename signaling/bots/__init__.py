"""Synthetic participants: real HTTP, real Socket.IO, real WebRTC with a moving picture and a tone each.

    person.py    one doctor: signs in, calls the API, holds a socket and a copy of the snapshot, signs
    media.py     what he sends (a colour and a tone of his own) and the proof of what he receives
    demo.py      a whole consilium, step by step, as `consilium demo` plays it

For the demonstration, for tests and for load. They speak to a server like browsers do and know nothing else.
"""
