// A double of the object the Рутокен extension puts on a page. Its answers can only be awaited: no catch, no finally.
(() => {
  "use strict";
  const later = (work) => {
    const promise = Promise.resolve().then(work);
    return { then: (resolve, reject) => promise.then(resolve, reject) };
  };
  const refuse = (code) => { throw { message: String(code) }; };
  let entered = false;

  const plugin = {
    get CERT_CATEGORY_USER() { return later(() => 0); },
    get DATA_FORMAT_BASE64() { return later(() => 1); },
    get HASH_TYPE_SHA256() { return later(() => 6); },
    enumerateDevices: () => later(() => [3]),
    enumerateCertificates: (device, category) => later(() => (device === 3 && category === 0 ? ["a1|b2"] : [])),
    parseCertificate: (device, id) => later(async () => {
      if (device !== 3 || id !== "a1|b2") refuse(17);
      const facts = await window.certificateByHand();
      return { subject: [{ rdn: "commonName", value: "Волков Пётр" }], validNotAfter: facts.until };
    }),
    login: (device, pin) => later(() => {
      if (pin !== "12345678") refuse(20);
      entered = device === 3;
    }),
    logout: () => later(() => { entered = false; }),
    sign: (device, id, data, format, options) => later(async () => {
      if (!entered) refuse(6);
      if (device !== 3 || id !== "a1|b2" || format !== 1) refuse(17);
      for (const name of ["detached", "addUserCertificate", "addSignTime", "addEssCert"]) if (options[name] !== true) refuse(2);
      const moment = new Date().toISOString().replace(/\.\d+Z$/, "+00:00");
      return `-----BEGIN CMS-----\n${await window.signedByHand(data, moment)}\n-----END CMS-----\n`;
    }),
  };
  // The extension's script comes when it comes: here after the page's own.
  setTimeout(() => {
    window["C3B7563B-BF85-45B7-88FC-7CFF1BD3C2DB"] = {
      initialize: () => later(() => true),
      isPluginInstalled: () => later(() => true),
      loadPlugin: () => later(() => plugin),
    };
  }, 300);
})();
