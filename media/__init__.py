"""The relay: forwards the packets of a consilium between its participants without decoding them.

The life of a packet
 1. A browser sends it to the UDP socket of its *publish* connection; `guard.classify` looks at the first
    byte (RFC 7983) and at the source address: strangers get no further than STUN.
 2. STUN, DTLS and RTCP go to aioice and aiortc, kept behind `aiortc_seam`; RTP never becomes a frame.
 3. `forward.Forwarder.receive` authenticates and decrypts it once and finds its `routes.Source` by SSRC
    (or by MID, for a stream whose SSRC the offer did not name).
 4. A source that its owner may not publish right now ends here, counted.
 5. The source's `slots` are the receivers' m-lines it is routed to. Each slot rewrites SSRC, payload type,
    sequence number, timestamp and header extensions, so that a change of source is seamless to the browser.
 6. A video slot that has just been given another source waits for a key frame; `keyframe` has asked for it.
 7. Each copy is protected with the receiver's own key and sent from the receiver's own socket.
 8. What cannot be sent is dropped at once and counted with a reason in `stats.Counters`; nothing queues.

`routes` is the table both forwarders read (this one and a compiled one); `room` decides what stands in it;
`publish` and `subscribe` negotiate; `control` is how signaling asks for all this.
The package knows no medicine, no names and no database: rooms, peers and sources are opaque strings.
"""

__version__ = "1"
