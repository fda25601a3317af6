/**
 * A person's signing key in this browser: P-256, non-extractable, kept in IndexedDB under the person's id.
 *
 * Non-extractable means that no script can read the key out; a script in this origin could still use it, which is
 * why the pages run under a strict content security policy. A browser may evict the store: then a new key is made
 * and a new certificate issued.
 */

const DATABASE = "consilium-keys";
const STORE = "keys";
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" } as const;

export interface SigningKey {
  readonly personId: string;
  readonly keyPair: CryptoKeyPair;
  /** Null until the authority has answered. */
  readonly certificateDer: Uint8Array | null;
}

/** The person's key in this browser, or null. */
export async function getKey(personId: string): Promise<SigningKey | null> {
  const found = await inStore<SigningKey | undefined>("readonly", (store) => store.get(personId));
  return found ?? null;
}

/** Make a key for the person and keep it; an existing key is kept and returned. */
export async function createKey(personId: string): Promise<SigningKey> {
  const keyPair = await crypto.subtle.generateKey(ALGORITHM, false, ["sign", "verify"]);
  const fresh: SigningKey = { personId, keyPair, certificateDer: null };
  try {
    // `add` refuses an existing id, so two tabs at once end up with one key.
    await inStore("readwrite", (store) => store.add(fresh));
    return fresh;
  } catch (error) {
    const existing = await getKey(personId);
    if (existing === null) throw error;
    return existing;
  }
}

/** Keep the certificate beside its key. */
export async function saveCertificate(personId: string, certificateDer: Uint8Array): Promise<SigningKey> {
  const key = await getKey(personId);
  if (key === null) throw new Error("no key for this person in this browser");
  const certified: SigningKey = { ...key, certificateDer };
  await inStore("readwrite", (store) => store.put(certified));
  return certified;
}

/** Remove the person's key from this browser. Signatures already made stay valid. */
export async function forget(personId: string): Promise<void> {
  await inStore("readwrite", (store) => store.delete(personId));
}

async function inStore<T>(mode: IDBTransactionMode, ask: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const database = await opened();
  try {
    return await finished(database, mode, ask);
  } finally {
    database.close();
  }
}

function opened(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "personId" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("the key store does not open"));
    request.onblocked = () => reject(new Error("the key store is blocked by another tab"));
  });
}

/** Resolves when the transaction is on disk, not when the request was merely accepted. */
function finished<T>(
  database: IDBDatabase,
  mode: IDBTransactionMode,
  ask: (store: IDBObjectStore) => IDBRequest<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(STORE, mode, { durability: "strict" });
    const request = ask(transaction.objectStore(STORE));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => reject(transaction.error ?? new Error("the key store refused"));
  });
}
