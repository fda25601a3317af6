// One person of the call: sends a voice and a picture, hears one other, and says what the ear had to make up.
window.person = {
  async publish() {
    const audio = {echoCancellation: false, noiseSuppression: false, autoGainControl: false};
    const video = {width: 320, height: 180, frameRate: 10};
    const stream = await navigator.mediaDevices.getUserMedia({audio, video});
    this.sending = this.connection();
    for (const track of stream.getTracks()) {
      const line = this.sending.addTransceiver(track, {direction: "sendonly"});
      if (track.kind === "audio") preferRedundancy(line);
    }
    await this.sending.setLocalDescription();
    await this.gathered(this.sending);
    return this.sending.localDescription.sdp;
  },

  async answered(sdp) { await this.sending.setRemoteDescription({type: "answer", sdp}); },

  async subscribe(sdp) {
    this.receiving = this.connection();
    this.receiving.ontrack = ({track}) => {
      const element = document.createElement(track.kind);
      element.autoplay = true;
      element.srcObject = new MediaStream([track]);
      document.body.append(element);
    };
    await this.receiving.setRemoteDescription({type: "offer", sdp});
    await this.receiving.setLocalDescription();
    await this.gathered(this.receiving);
    return this.receiving.localDescription.sdp;
  },

  connection() { return new RTCPeerConnection({iceServers: [], bundlePolicy: "max-bundle"}); },

  gathered(pc) {
    return new Promise((resolve) => {
      if (pc.iceGatheringState === "complete") resolve();
      pc.addEventListener("icegatheringstatechange", () => pc.iceGatheringState === "complete" && resolve());
    });
  },

  async heard() {
    const sum = {concealed: 0, silent: 0, samples: 0, packets: 0, lost: 0, discarded: 0, fec: 0, frames: 0, freezes: 0};
    for (const report of (await this.receiving.getStats()).values()) {
      if (report.type !== "inbound-rtp") continue;
      if (report.kind === "video") {
        sum.frames += report.framesDecoded || 0;
        sum.freezes += report.freezeCount || 0;
        continue;
      }
      sum.concealed += report.concealedSamples || 0;
      sum.silent += report.silentConcealedSamples || 0;
      sum.samples += report.totalSamplesReceived || 0;
      sum.packets += report.packetsReceived || 0;
      sum.lost += report.packetsLost || 0;
      sum.discarded += report.packetsDiscarded || 0;
      sum.fec += report.fecPacketsReceived || 0;
    }
    return {...sum, states: [this.sending.connectionState, this.receiving.connectionState]};
  },
};

// As web/client does: Opus with redundancy (RFC 2198) first, so that it is what is sent.
function preferRedundancy(line) {
  const codecs = RTCRtpReceiver.getCapabilities("audio").codecs;
  const red = codecs.filter((codec) => codec.mimeType === "audio/red");
  line.setCodecPreferences([...red, ...codecs.filter((codec) => codec.mimeType !== "audio/red")]);
}
