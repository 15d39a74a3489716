/**
 * The parts of tidings.js that store something in the browser: events that wait to be sent, and positions that survive a reload. tidings.js loads
 * this file when the options `outbox`, `keep` or `once` are used. Everything is in IndexedDB, for all pages of this origin.
 *
 * @module
 */
import type { Follow, FollowOptions } from './follow.js';
import type { Requests } from './requests.js';
import type { Seat } from './seat.js';
export type Entry = {
    user: string;
    body: string;
    time: number;
};
/** The events of a user that wait to be sent. Tabs take turns. */
export declare class Outbox {
    #private;
    /**
     * @param {Requests} requests @param {AbortSignal} signal Ends the client.
     * @param {(body: string, signal: AbortSignal, check: () => void) => Promise<unknown>} send Repeats a request until it succeeds, after a check.
     * @param {(line: object, problem: unknown) => void} unsent Gets back what cannot be sent.
     */
    constructor(requests: Requests, signal: AbortSignal, send: (body: string, signal: AbortSignal, check: () => void) => Promise<unknown>, unsent: (line: object, problem: unknown) => void);
    /** Stores an event. When the promise is fulfilled, neither a reload nor a crash loses it. @param {string} body */
    add(body: string): Promise<void>;
    /** Sends all events, one after the other. */
    run(): void;
}
/**
 * Begins a follow at the position that was kept under a name, and keeps its positions: at least once, an event is handled. With `once`, only the
 * tab that has a lock follows; when it goes, another one continues.
 *
 * @param {Follow} follow @param {Seat} seat @param {FollowOptions} options @returns {Promise<void>} The promise of {@link Follow.ready}.
 */
export declare function keep(follow: Follow, seat: Seat, { keep: name, once }: FollowOptions): Promise<void>;
