"""The figures of the media relay: `make bench-media` (bench/README.md says how to read them).

`__main__` runs the parts below in a network namespace of its own and writes var/bench/media.json:
  forwarding    CPU, loss and latency per packet beside Janus: `load.c` sends and receives, `client` connects it
  capacity      what one core carries, and what it carries while Python is busy
  joining       CPU of a join, memory of an idle participant
  installation  the whole product: first sound after "enter", sound again after a worker was killed
  weather       a browser behind a bad link: how much of what it hears is made up
"""
