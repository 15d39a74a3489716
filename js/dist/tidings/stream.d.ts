import type { Held, Holder } from './holder.js';
import { Problem } from './problem.js';
/** A stream of the hub over all its connections; or a poll, which brings one part what it misses and is then complete. */
export declare class Stream {
    #private;
    parts: Set<Held>;
    topics: Set<string>;
    /** The position up to which everything is delivered. */
    at: string | undefined;
    poll: boolean;
    /** When the last bytes came; NaN while nothing is read. By the system's clock: timers stand still while a page is hidden or a machine sleeps. */
    heard: number;
    /** The first block has come. */
    begun: boolean;
    failures: number;
    /** The reconnection time of the hub, in ms. @type {number | undefined} */
    retry: number | undefined;
    signal: AbortSignal;
    /**
     * @param {Holder} holder @param {Held[]} parts @param {string[]} topics @param {string | undefined} at @param {{poll?: number, limit?: number}} query
     *   The parameters of a poll. @param {boolean} quiet Events are not passed on. @param {boolean} [expired]
     */
    constructor(holder: Holder, parts: Held[], topics: string[], at: string | undefined, query: {
        poll?: number;
        limit?: number;
    }, quiet: boolean, expired?: boolean);
    stop(): void;
    run(): Promise<void>;
    /** Called before a pause. @param {Problem} problem */
    waiting(problem: Problem): void;
}
