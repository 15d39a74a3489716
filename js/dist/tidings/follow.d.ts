export type FollowOptions = {
    /**
     * The position to resume from: the id of the last event that was handled, or `follow.position`.
     */
    after?: string;
    /**
     * A duration before now such as `10m`, a time as in RFC 3339, or `earliest`.
     */
    since?: string;
    /**
     * The number of newest events, counted over all topics together.
     */
    last?: number;
    /**
     * An empty list of topics means everything that the token grants. Without it, an empty list is an error, because a
     * list that a program has computed may be empty by mistake.
     */
    everything?: boolean;
    /**
     * Called when events are missing: load the current state. The follow waits for a promise, then continues
     * with the events that the hub has. Without onGap, a gap ends the follow with a {@link GapError}.
     */
    onGap?: (gap: Gap) => unknown;
    /**
     * Called when topics have ended. The follow ends by itself with its last topic.
     */
    onEnd?: (end: End) => unknown;
    /**
     * A standard schema (standardschema.dev). It makes `event.value` of the event's JSON. An event that does not fit ends
     * the follow with a {@link Problem}.
     */
    schema?: Schema;
    /**
     * Closes the follow.
     */
    signal?: AbortSignal;
    /**
     * Keeps the position in this browser under this name, and resumes there after a reload: an event is kept when its handler
     * has returned, so that each is handled at least once. `since` and `last` then only count for the first time.
     */
    keep?: string;
    /**
     * Of all tabs of this browser that follow with this name, only one handles events, and keeps the position. When it goes,
     * another one continues. Needs Web Locks.
     */
    once?: string;
};
export type Gap = {
    reason: 'trimmed' | 'reset' | 'rollback' | 'corrupt' | 'lag';
    from: string;
    to: string;
};
export type End = {
    id: string;
    topic: string;
    topics: string[];
    end: true;
};
export type Schema = {
    '~standard': {
        validate: (value: unknown) => any;
    };
};
export type Envelope = {
    id: string;
    topic: string;
    topics: string[];
    type: string;
    time: string;
    data: string;
    encoding: string;
};
/**
 * @typedef {object} FollowOptions Where a follow begins, and which functions get what is not an event. By default it begins now. Only one of
 *   `after`, `since` and `last` can be set.
 * @property {string} [after] The position to resume from: the id of the last event that was handled, or `follow.position`.
 * @property {string} [since] A duration before now such as `10m`, a time as in RFC 3339, or `earliest`.
 * @property {number} [last] The number of newest events, counted over all topics together.
 * @property {boolean} [everything] An empty list of topics means everything that the token grants. Without it, an empty list is an error, because a
 *   list that a program has computed may be empty by mistake.
 * @property {(gap: Gap) => unknown} [onGap] Called when events are missing: load the current state. The follow waits for a promise, then continues
 *   with the events that the hub has. Without onGap, a gap ends the follow with a {@link GapError}.
 * @property {(end: End) => unknown} [onEnd] Called when topics have ended. The follow ends by itself with its last topic.
 * @property {Schema} [schema] A standard schema (standardschema.dev). It makes `event.value` of the event's JSON. An event that does not fit ends
 *   the follow with a {@link Problem}.
 * @property {AbortSignal} [signal] Closes the follow.
 * @property {string} [keep] Keeps the position in this browser under this name, and resumes there after a reload: an event is kept when its handler
 *   has returned, so that each is handled at least once. `since` and `last` then only count for the first time.
 * @property {string} [once] Of all tabs of this browser that follow with this name, only one handles events, and keeps the position. When it goes,
 *   another one continues. Needs Web Locks.
 */
/** @typedef {{reason: 'trimmed' | 'reset' | 'rollback' | 'corrupt' | 'lag', from: string, to: string}} Gap Events after `from`, up to `to`, are missing. */
/** @typedef {{id: string, topic: string, topics: string[], end: true}} End These topics are complete. `id` is the position of the end. */
/** @typedef {{'~standard': {validate: (value: unknown) => any}}} Schema */
/** @typedef {{id: string, topic: string, topics: string[], type: string, time: string, data: string, encoding: string}} Envelope */
/** An event of the hub. */
export declare class TidingsEvent {
    #private;
    /** The position. */
    id: string;
    /** The canonical topic; `topics` has all. */
    topic: string;
    topics: string[];
    type: string;
    /** When the hub stored the event. */
    time: Date;
    /** Whether the publisher sent bytes. */
    binary: boolean;
    /** The data; of bytes, what they are as UTF-8. */
    text: string;
    /** What the schema of the follow has made of the data. @type {any} */
    value: any;
    /** @param {Envelope} envelope */
    constructor({ id, topic, topics, type, time, data, encoding }: Envelope);
    /** The data as bytes. */
    bytes(): Uint8Array<ArrayBufferLike>;
    /** The data as JSON. @returns {any} @throws {SyntaxError} if it is none. */
    json(): any;
}
export type Item = Envelope | End | {
    gap: Gap;
};
/** @typedef {Envelope | End | {gap: Gap}} Item */
/**
 * The weight of items that fill the queue of a follow, and the credit of a seat: 1,000 events, or fewer with more than a million characters of
 * data. What a follow does not take, it fetches later.
 */
export declare const capacity = 1000000;
/** @param {any[]} items */
export declare const weigh: (items: any[]) => any;
/** A subscription to topics: an async iterable, or a handler that is called. */
export declare class Follow {
    #private;
    /** The position to resume from: that of the last event that was handled, or of a later checkpoint. @type {string | undefined} */
    position: string | undefined;
    /**
     * Fulfilled when the hub has granted the follow and named the position at which it begins: nothing that is published from then on is missed. The
     * stream may still be connecting, and then begins at that position. Rejected if the follow ends before. @type {Promise<void>}
     */
    ready: Promise<void>;
    /**
     * Fulfilled when all topics have ended or the follow was closed; rejected with a {@link Problem}, a {@link GapError}, or what a handler has thrown.
     * A loop throws that, too; without a loop, a rejection that nobody handles is reported as JavaScript does. @type {Promise<void>}
     */
    done: Promise<void>;
    /**
     * Follows more topics, from now on. The promise is fulfilled when nothing of them is missed any more, and rejected if the hub refuses them;
     * then the follow continues with its other topics.
     *
     * @param {...string} topics
     */
    add(...topics: string[]): Promise<void>;
    /** Stops following topics; without arguments, and when none are left, the follow ends. @param {...string} topics */
    close(...topics: string[]): void;
    /** The events. The end of the loop closes the follow. */
    [Symbol.asyncIterator](): AsyncGenerator<TidingsEvent, void, unknown>;
}
/** The end of a follow without onGap: events are missing. */
export declare class GapError extends Error {
    gap: Gap;
    name: string;
    /** @param {Gap} gap */
    constructor(gap: Gap);
}
