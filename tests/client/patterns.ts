// The patterns of the OpenAPI document take time in proportion to the text. An engine that backtracks, as that of Node.js does, takes
// seconds for some thousand characters where two adjacent repetitions have a character in common.

import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";

// Time that grows with the cube of the length shows at 1,000 characters, with its square at 8,000.
const LENGTHS = [1_000, 8_000];
// Eight times as much as a text of an eighth takes, and some more because machines are not exact.
const GREATEST_GROWTH = 20;
// What is below this is not looked at any further; patterns in order take less than 1 ms.
const NOTICEABLE_MS = 10;

function patternsIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  const own = "pattern" in value && typeof value.pattern === "string" ? [value.pattern] : [];
  return [...own, ...Object.values(value).flatMap(patternsIn)];
}

/** Returns the characters that are in a pattern or in one of its escapes, and some others. */
function charactersOf(pattern: string): string[] {
  const escaped = [...pattern.matchAll(/\\x([0-9a-f]{2})/g)].map(([, digits = "0"]) => String.fromCharCode(parseInt(digits, 16)));
  return [...new Set([...pattern, ...escaped, ..."\t\n\v\r aA0.-/\\\""])];
}

function milliseconds(pattern: RegExp, text: string): number {
  const start = performance.now();
  pattern.test(text);
  return performance.now() - start;
}

/** Returns whether the time for a text grows faster than its length, each time that it is measured. */
function isSlow(pattern: RegExp, textOf: (length: number) => string, length: number): boolean {
  const text = textOf(length);
  if (milliseconds(pattern, text) < NOTICEABLE_MS) return false;
  const least = (length: number) => Math.min(...Array.from({ length: 5 }, () => milliseconds(pattern, textOf(length))));
  const time = least(length);
  return time > NOTICEABLE_MS && time > GREATEST_GROWTH * least(length / 8);
}

/** Describes a text for which a pattern takes too long: repetitions of one or two characters, that nothing or something follows
 * which does not match. */
function slowText(source: string): string | undefined {
  const pattern = new RegExp(source, "u");
  const common = [" ", "a", "/", ".", "\n", "\u200b"];
  const units = [...charactersOf(source), ...common.flatMap((one) => common.map((other) => one + other))];
  for (const length of LENGTHS) {
    for (const unit of units) {
      for (const [before, after] of [["", ""], ["", "\0"], ["a", "\0"], ["\"", "\0"]]) {
        const textOf = (length: number) => before + unit.repeat(length / unit.length) + after;
        if (isSlow(pattern, textOf, length)) return `${length} characters: ${JSON.stringify([before, unit, after])}`;
      }
    }
  }
  return undefined;
}

const document: unknown = JSON.parse(readFileSync(new URL("../../functions/docs/openapi.json", import.meta.url), "utf8"));
const patterns = [...new Set(patternsIn(document))];
assert(patterns.length > 10);
for (const pattern of patterns) {
  assert.equal(slowText(pattern), undefined, pattern);
  for (const character of charactersOf(pattern)) {
    for (const text of [character, `a${character}`, character.repeat(36)]) {
      assert.equal(new RegExp(pattern).test(text), new RegExp(pattern, "u").test(text), `differs with the flag u: ${pattern}`);
    }
  }
}
// What the test is for is found.
for (const slow of ["^\\s*[^\\0]*\\s*$", "^[ab]*a[ab]*b$"]) assert.notEqual(slowText(slow), undefined, slow);
