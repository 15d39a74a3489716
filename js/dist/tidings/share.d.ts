import type { Seat } from './seat.js';
import type { Options, Tidings } from '../tidings.js';
import type { Requests } from './requests.js';
/** @import { Requests } from './requests.js' */
/**
 * Chooses who holds the stream: a worker, a tab with a lock, and if nothing else is left, this tab. It returns what to call when the page goes, and
 * when it is back.
 *
 * @param {Seat} seat @param {Requests} requests @param {Options} options @param {AbortSignal} signal Ends the client.
 * @param {(via: Tidings['via']) => void} report
 */
export declare function share(seat: Seat, requests: Requests, { token, credentials, worker, share: shared }: Options, signal: AbortSignal, report: (via: Tidings['via']) => void): {
    /** The page is here again. */
    come(): void;
    /** The page goes, and may come back. */
    go(): void;
};
