/** @param {string} text */
export declare function positionOf(text: string): string;
/** Compares positions: negative, 0 or positive; NaN if they are of different generations, or one is missing. @param {string} [a] @param {string} [b] */
export declare function compare(a?: string, b?: string): number;
/** Returns a list of topics. @param {string | string[]} topics */
export declare function topicsOf(topics: string | string[]): string[];
/** Whether a pattern, or a topic, has all events of another one (docs/protocol.md, Topics). @param {string} pattern @param {string} topic */
export declare function covers(pattern: string, topic: string): boolean;
/** Whether a stream of topics has all events of others. No topics are everything. @param {string[]} topics @param {string[]} others */
export declare const serves: (topics: string[], others: string[]) => boolean;
/** Returns a function that says whether topics have an event with these names. @param {string[]} topics @returns {(names: string[]) => boolean} */
export declare function matcher(topics: string[]): (names: string[]) => boolean;
/** A name that nobody else has. Pages without TLS have no randomUUID. */
export declare const random: () => string;
