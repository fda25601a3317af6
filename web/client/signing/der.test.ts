import assert from "node:assert/strict";
import { test } from "node:test";
import { children, DerError, integer, octets, oid, read, sequence, setOf, time, unsigned } from "./der";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

test("a value cut short or of indefinite length is refused", () => {
  for (const broken of ["", "30", "3003020101".slice(0, 8), "3080", "308501"]) {
    assert.throws(() => read(bytes(broken)), DerError, broken);
  }
});

test("lengths take the fewest octets", () => {
  const header = (size: number): string => hex(octets(new Uint8Array(size)).subarray(0, 5)).slice(0, 10);
  assert.equal(header(127).slice(0, 4), "047f");
  assert.equal(header(128).slice(0, 6), "048180");
  assert.equal(header(256).slice(0, 8), "04820100");
  assert.equal(header(65536), "0483010000");
});

test("integers carry a leading zero only before a high bit, and no other", () => {
  assert.equal(hex(integer(0)), "020100");
  assert.equal(hex(unsigned(bytes("0000007f"))), "02017f");
  assert.equal(hex(unsigned(bytes("0080"))), "02020080");
  assert.equal(hex(unsigned(bytes("ff01"))), "020300ff01");
});

test("identifiers are written in base 128", () => {
  assert.equal(hex(oid("1.2.840.113549.1.7.2")), "06092a864886f70d010702");
  assert.equal(hex(oid("1.2.643.100.3")), "06052a85036403");
});

test("a set is sorted by its octets", () => {
  assert.equal(hex(setOf(integer(2), integer(1), octets(bytes("00")))), "3109020101020102040100");
});

test("the year 2050 changes the form of a time", () => {
  assert.equal(hex(time(new Date("2049-12-31T23:59:59.999Z"))), `170d${Buffer.from("491231235959Z").toString("hex")}`);
  assert.equal(hex(time(new Date("2050-01-01T00:00:00Z"))), `180f${Buffer.from("20500101000000Z").toString("hex")}`);
});

test("what was written is read back", () => {
  const [first, second] = children(read(sequence(integer(7), octets(bytes("abcd")))));
  assert.equal(hex(first?.raw ?? new Uint8Array()), "020107");
  assert.equal(hex(second?.content ?? new Uint8Array()), "abcd");
});
