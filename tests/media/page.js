// What a browser does with the relay, small enough to be driven from Python.
window.rig = {
  sending: null, receiving: null,
  configuration: {iceServers: [], bundlePolicy: "max-bundle"},

  async publish() {
    const stream = await navigator.mediaDevices.getUserMedia(
      {audio: true, video: {width: 320, height: 180, frameRate: 10}});
    this.sending = new RTCPeerConnection(this.configuration);
    this.sending.addTransceiver(stream.getAudioTracks()[0], {direction: "sendonly"});
    this.sending.addTransceiver(stream.getVideoTracks()[0], {direction: "sendonly"});
    return this.offer();
  },

  async share() {
    const canvas = document.createElement("canvas");
    canvas.width = 320; canvas.height = 180;
    const context = canvas.getContext("2d");
    let n = 0;
    setInterval(() => { context.fillStyle = `hsl(${n++ % 360} 80% 50%)`; context.fillRect(0, 0, 320, 180); }, 100);
    this.sending.addTransceiver(canvas.captureStream(10).getVideoTracks()[0], {direction: "sendonly"});
    return this.offer();
  },

  async offer() {
    await this.sending.setLocalDescription();
    return this.sending.localDescription.sdp;
  },

  async answered(sdp) { await this.sending.setRemoteDescription({type: "answer", sdp}); return true; },

  async subscribe(sdp) {
    this.receiving = new RTCPeerConnection(this.configuration);
    this.receiving.ontrack = ({track}) => {
      const element = document.createElement(track.kind);
      element.autoplay = true;
      element.srcObject = new MediaStream([track]);
      document.body.append(element);
    };
    await this.receiving.setRemoteDescription({type: "offer", sdp});
    await this.receiving.setLocalDescription();
    return this.receiving.localDescription.sdp;
  },

  async received() {
    const byMid = {};
    for (const report of (await this.receiving.getStats()).values()) {
      if (report.type === "inbound-rtp") {
        byMid[report.mid] = {kind: report.kind, packets: report.packetsReceived, frames: report.framesDecoded || 0,
                             width: report.frameWidth || 0, lost: report.packetsLost,
                             samples: report.totalSamplesReceived || 0, energy: report.totalAudioEnergy || 0};
      }
    }
    return byMid;
  },

  // Connection -> the way of its chosen pair: direct, or how the browser speaks to its TURN server.
  async ways() {
    const found = {};
    for (const name of ["sending", "receiving"].filter((one) => this[one])) {
      const reports = await this[name].getStats();
      const transport = [...reports.values()].find((one) => one.type === "transport");
      const own = reports.get(reports.get(transport.selectedCandidatePairId)?.localCandidateId);
      if (own) found[name] = own.candidateType === "relay" ? own.relayProtocol : "direct";
    }
    return found;
  },
};
