"""The relay: forwards the packets of a consilium between its participants without decoding them.

    publisher's browser                     media worker                              receiver's browser

      STUN, DTLS, RTCP ──┐        ┌── ice, aiortc_seam (DTLS), upstream ──┐        ┌── STUN, DTLS, RTCP
                         ▼        ▼                                       ▼        ▼
      SRTP ──► one UDP port ─► plane: authenticate ─► source, layer ─► ring ─► slots: rewrite, protect ─► same port ─► SRTP
                                  ▲                                             ▲
                                  └── publish (his offer)       stage (who sees whom, which layer) ── subscribe (our offer)

The life of a packet
 1. It comes to the worker's one UDP port. The forwarder (`plane`) looks at its first byte (RFC 7983), finds the leg
    by the address it came from, for STUN by the user fragment; who is a stranger gets no further, and no answer.
 2. STUN that proves the leg's password goes to `ice`, DTLS and RTCP to the leg's `link`. RTP never sees Python where
    the compiled forwarder was built (`plane.choose`).
 3. RTP is authenticated and decrypted once, kept in the ring of its `Layer` and found by SSRC, or by MID and RID where
    the offer did not name one. Repeats (RTX) and redundancy (RED) become the packets they repeat.
 4. A source that its owner may not publish right now ends here, counted.
 5. The `Slot`s that show this layer are receivers' m-lines. Each rewrites SSRC, payload type, sequence number, timestamp,
    picture ids and header extensions, so that a change of source or layer is seamless to the browser.
 6. A video slot that is about to change waits for a key frame of its new layer, which the relay has asked for.
 7. Each copy is protected with the receiver's own key and sent from the same port to his nominated address.
 8. What cannot be sent is dropped at once, video to the end of its frame, and counted with a reason; nothing queues.
 9. A receiver who reports a loss gets it from the ring by RTX; what the relay itself misses it asks for upstream.

`plane.table` is what both forwarders read, and the contract they keep; `engine` hands their events to connections.
`publish` and `subscribe` negotiate (`sdp` reads, `answer` and `offer` write); `stage` decides what stands in the table,
`room` holds it all together; `control` is how signaling asks for all this.
The package knows no medicine, no names and no database: rooms, peers and sources are opaque strings.
"""

__version__ = "1"
