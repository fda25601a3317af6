// A double of what the КриптоПро extension puts on a page: remote objects that refuse calls in the wrong order.
(() => {
  "use strict";
  const refuse = (text) => { throw new Error(text); };
  const later = (value) => Promise.resolve(value);
  let opened = false;

  const certificate = (facts) => ({
    get Thumbprint() { return later(facts.thumbprint); },
    get SubjectName() { return later(facts.subject); },
    get ValidToDate() { return later(facts.until); },
    HasPrivateKey: () => later(true),
    PublicKey: () => later({ Algorithm: later({ Value: later(facts.key) }) }),
  });
  const withoutKey = { ...certificate({ thumbprint: "0", subject: "CN=Чужой", until: "2030-01-01", key: "" }), HasPrivateKey: () => later(false) };

  class Store {
    async Open(location, name, mode) {
      if (location !== 2 || name !== "My" || mode !== 2) refuse("0x80070057");
      opened = true;
    }
    get Certificates() {
      if (!opened) refuse("the store is closed");
      return window.certificateByHand().then((facts) => ({
        Count: later(2),
        Item: (index) => later([withoutKey, certificate(facts)][index - 1] ?? refuse("0x80070057")),
      }));
    }
    async Close() { opened = false; }
  }
  class HashedData {
    async propset_Algorithm(value) { this.algorithm = value; }
    async propset_DataEncoding(value) { this.encoding = value; }
    async Hash(content) {
      if (this.algorithm !== 4) refuse("the digest does not belong to this key");
      if (this.encoding !== 1) refuse("the text itself would be hashed, in UCS-2");
      this.content = content;
    }
  }
  class CPAttribute {
    async propset_Name(value) { this.name = value; }
    async propset_Value(value) {
      if (!(value instanceof Date)) refuse("0x80020005");
      this.value = value;
    }
  }
  class CPSigner {
    constructor() { this.attributes = []; }
    async propset_Certificate(value) { this.certificate = value; }
    async propset_Options(value) { this.options = value; }
    get AuthenticatedAttributes2() {
      return later({ Add: async (one) => { this.attributes.push(one); } });
    }
  }
  class CadesSignedData {
    async SignHash(hash, signer, type) {
      if (type !== 1) refuse("not CAdES-BES");
      if (!(hash instanceof HashedData) || hash.content === undefined) refuse("0x80070057");
      const time = signer.attributes.find((one) => one.name === 0);
      if (!signer.certificate || !time) refuse("the signer is not complete");
      const moment = time.value.toISOString().replace(/\.\d+Z$/, "+00:00");
      const signed = await window.signedByHand(hash.content, moment);
      return signed.replace(/(.{64})/g, "$1\r\n");
    }
  }
  const made = {
    "CAdESCOM.About": Object,
    "CAdESCOM.Store": Store,
    "CAdESCOM.HashedData": HashedData,
    "CADESCOM.CPAttribute": CPAttribute,
    "CAdESCOM.CPSigner": CPSigner,
    "CAdESCOM.CadesSignedData": CadesSignedData,
  };
  const host = { CreateObjectAsync: async (name) => (made[name] ? new made[name]() : refuse(`no object ${name}`)) };
  window.cpcsp_chrome_nmcades = { CreatePluginObject: () => later(host) };
})();
