/**
 * tidings.js: follow and publish on a Tidings hub, from a page, a worker, Node, Deno or Bun.
 *
 *     import { Tidings } from 'https://hub.example/tidings.js'
 *     const hub = new Tidings()
 *     hub.follow('news/**', (event) => show(event.topic, event.text))
 *     await hub.publish('news/sports', { goal: 1 })
 *
 * The path of an event in the client; each step is a module in folder tidings:
 *
 *     handler ◀── Follow ◀── Seat ◀── messages ── Holder ◀── Stream ◀── parser ◀── fetch ◀── hub
 *                 queue      judges               parts      position
 *
 * - A **Follow** is one subscription of the program. It has a bounded queue and calls the handler, or waits in a `for await` loop.
 * - The **Seat** has all follows of a client. It judges each message by position: take it, ignore it, or ask for what is missing.
 * - The **Holder** has one stream for the topics of all parts, which are the follows as the holder knows them. It may serve many seats, and is in
 *   this tab, in a worker or in another tab; README.md defines the messages. None of them has to arrive, or to arrive once. When topics come or
 *   go, when the token expires and when the stream is distrusted, the holder opens a second stream from the same position, then drops the first.
 * - A part that is behind catches up by polls of its own, whatever the reason: it is new, its queue was full, or a message was lost.
 *
 * A position is `<generation>-<number>`, the id of an event. Positions compare within a generation. The client loses nothing unless the hub
 * reports a gap.
 *
 * @module
 */
import type { TidingsEvent } from './tidings/follow.js';
import type { Presence, PresenceOptions } from './tidings/presence.js';
/** @import { TidingsEvent } from './tidings/follow.js' */
/** @import { Outbox } from './tidings/outbox.js' */
/** @import { Presence, PresenceOptions } from './tidings/presence.js' */
import { Follow } from './tidings/follow.js';
import { Problem } from './tidings/problem.js';
export { covers } from './tidings/names.js';
export { Follow, GapError, TidingsEvent } from './tidings/follow.js';
export { parser } from './tidings/parser.js';
export { Problem } from './tidings/problem.js';
export type Options = {
    /**
     * The bearer token, or a function
     * that returns it. The function is called before each request; `expired` says that the hub has refused the last token, or will soon. When it
     * throws, or does not answer in 60 s, the client waits and asks again. A token that is refused twice is final.
     */
    token?: string | ((why: {
        expired: boolean;
    }) => string | undefined | Promise<string | undefined>);
    /**
     * For a hub on another origin that knows users by cookie: `include`.
     */
    credentials?: RequestCredentials;
    /**
     * Share one stream with the other tabs of the browser that have the same hub and identity: through a SharedWorker, or
     * through one of the tabs, or, where neither is possible, not at all. Default: true.
     */
    share?: boolean;
    /**
     * Who may share a stream: the user, and whatever else decides about grants. Default: the subject of the token; a
     * token that has none that can be read is not shared.
     */
    identity?: string;
    /**
     * The address of this file at the origin of the page, for the SharedWorker; a TrustedScriptURL where the page
     * demands one. Default: where this file was loaded from, unless it is part of a bundle.
     */
    worker?: string | URL;
    /**
     * Close the stream while the page is hidden, and resume when it is visible. Default: false.
     */
    pauseHidden?: boolean;
};
export type FollowOptions = import('./tidings/follow.js').FollowOptions;
export type Gap = import('./tidings/follow.js').Gap;
export type End = import('./tidings/follow.js').End;
export type Schema = import('./tidings/follow.js').Schema;
export type Status = 'connecting' | 'open' | 'waiting' | 'closed';
/** The client of one hub. It sends a `status` event when `status`, `problem` or `via` change. */
export declare class Tidings extends EventTarget {
    #private;
    /** The state of the stream; closed while there are no follows. @type {Status} */
    status: Status;
    /** Why the client waits, or why the hub has refused the last follow. @type {Problem | undefined} */
    problem: Problem | undefined;
    /** Who holds the stream. @type {'own' | 'worker' | 'leader' | 'follower'} */
    via: 'own' | 'worker' | 'leader' | 'follower';
    /**
     * Sends nothing before the first follow or publish.
     *
     * @param {string | URL} [url] The base URL of the hub, the part before /events. Default: the folder of this file.
     * @param {Options} [options]
     */
    constructor(url?: string | URL, options?: Options);
    /**
     * Follows topics, and patterns: `*` stands for one segment between slashes, `**` at the end for any number. The follow resumes after each failure,
     * and ends with its last topic.
     *
     * With a handler, events are handed over one after the other; a promise of the handler is awaited. Without one, loop over the follow with
     * `for await`. A handler that throws ends the follow: see {@link Follow.done}.
     *
     * @param {string | string[]} topics
     * @param {((event: TidingsEvent) => unknown) | FollowOptions} [handler]
     * @param {FollowOptions} [options]
     * @throws {TypeError} if topics are no strings, or none.
     */
    follow(topics: string | string[], handler?: ((event: TidingsEvent) => unknown) | FollowOptions, options?: FollowOptions): Follow;
    /**
     * Publishes an event, and returns when the hub has stored it. Until then the client repeats the request with the same key when there is no
     * answer, and when the hub asks to come back later; the hub stores the event once.
     *
     * @param {string | string[]} topics The first topic is the canonical one.
     * @param {unknown} [data] A string, or bytes (Blob, ArrayBuffer, typed array); anything else is published as JSON.
     * @param {object} [options]
     * @param {string} [options.type] The kind of event; default: `message`.
     * @param {boolean} [options.end] It is the last event of its topics. Without data and type it is only the end.
     * @param {string} [options.key] The idempotency key, 1 to 255 visible ASCII characters; default: random.
     * @param {AbortSignal} [options.signal] Gives up. The event may be stored or not.
     * @param {boolean} [options.outbox] Store the event in this browser, and return then, without id. It is sent as soon as possible, also after a
     *   reload, once and in the order of the calls. An event that the hub refuses, or that cannot be sent for 24 hours, is handed back: the client
     *   sends an `unsent` event, whose `detail` has the members of the event and the `problem`.
     * @returns {Promise<{id?: string, duplicate?: boolean, key: string}>} The position of the event, and whether it was stored before.
     * @throws {Problem} if the hub refuses the event.
     */
    publish(topics: string | string[], data?: unknown, { type, end, key, signal, outbox }?: {
        type?: string;
        end?: boolean;
        key?: string;
        signal?: AbortSignal;
        outbox?: boolean;
    }): Promise<{
        id?: string;
        duplicate?: boolean;
        key: string;
    }>;
    /**
     * Says who is present at a topic, over a stream of its own, with the address and the token of this client. The module for that is loaded when it
     * is used.
     *
     * @param {string} topic @param {PresenceOptions} [options]
     * @returns {Promise<Presence>}
     */
    presence(topic: string, options?: PresenceOptions): Promise<Presence>;
    /**
     * Returns a value that events change, for frameworks: `get` and `subscribe` are the contract of React's `useSyncExternalStore` and of Svelte's
     * stores. It follows while it has subscribers, by default from the earliest event, and begins anew with `initial` after a gap.
     *
     * @template T
     * @param {string | string[]} topics
     * @param {(value: T, event: TidingsEvent) => T} reduce Returns the next value.
     * @param {T} initial
     * @param {FollowOptions} [options]
     * @returns {{get: () => T, subscribe: (listener: (value: T) => unknown) => () => void}}
     */
    state<T>(topics: string | string[], reduce: (value: T, event: TidingsEvent) => T, initial: T, options?: FollowOptions): {
        get: () => T;
        subscribe: (listener: (value: T) => unknown) => () => void;
    };
    /** Closes all follows, and gives up what is being published. */
    close(): void;
}
