/**
 * tidings.js: follow and publish on a Tidings hub, from a page, a worker, Node, Deno or Bun.
 *
 *     import { Tidings } from 'https://hub.example/tidings.js'
 *     const hub = new Tidings()
 *     hub.follow('news/**', (event) => show(event.topic, event.text))
 *     await hub.publish('news/sports', { goal: 1 })
 *
 * The path of an event in the client, which is also the order of this file:
 *
 *     handler ◀── Follow ◀── Seat ◀── messages ── Holder ── Line ── Stream ── read ── parser ◀── fetch ◀── hub
 *                 queue      judges               parts     topics  position
 *
 * - A **Follow** is one subscription of the program. It has a bounded queue and calls the handler, or waits in a `for await` loop.
 * - The **Seat** has all follows of a client. It judges each message by position: take it, ignore it, or ask for what is missing.
 * - The **Holder** has the streams. It may serve many seats, and is in this tab, in a worker or in another tab; README.md defines the messages
 *   between the two. Nothing depends on a message between tabs arriving, or arriving once.
 * - A **Line** has one stream for the topics of all parts, which are the follows as the holder knows them. When topics come or go, when the
 *   token expires and when a stream is distrusted, it opens a second stream from the same position and then drops the first.
 * - A part that is behind catches up by polls of its own, whatever the reason: it asks for history, its queue was full, or a message is lost.
 *
 * A position is `<generation>-<number>`, the id of an event. Positions compare within a generation. The client loses nothing unless the hub
 * reports a gap.
 *
 * @module
 */
export type Options = {
    /**
     * The bearer token, or a function
     * that returns it. The function is called before each request; `expired` says that the hub refused the last token, or will soon. An
     * exception counts as a failed connection and is retried. Without a function, a refused token is final.
     */
    token?: string | ((why: {
        expired: boolean;
    }) => string | undefined | Promise<string | undefined>);
    /**
     * For hubs on another origin that know users by cookie: `include`.
     */
    credentials?: RequestCredentials;
    /**
     * Sends the requests; default: the global `fetch`. A client with a fetch of its own shares no stream.
     */
    fetch?: typeof fetch;
    /**
     * Close the stream while the page is hidden, and resume when it is visible. Default: false.
     */
    pauseHidden?: boolean;
};
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
     * Further topics, in which an asterisk has no meaning.
     */
    exact?: string[];
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
     * A standard schema (standardschema.dev), which makes `event.value` of the JSON of each event.
     */
    schema?: Schema;
    /**
     * Closes the follow.
     */
    signal?: AbortSignal;
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
export type ProblemMembers = {
    kind?: string;
    status?: number;
    title?: string;
    detail?: string;
    retryAfter?: number;
    members?: Record<string, any>;
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
export type Item = Envelope | End | {
    gap: Gap;
};
export type Start = {
    since?: string;
    last?: number;
};
export type Part = {
    id: number;
    topics: string[];
    start?: Start;
    at?: string;
};
/**
 * @typedef {object} Options How a client reaches its hub.
 * @property {string | ((why: {expired: boolean}) => string | undefined | Promise<string | undefined>)} [token] The bearer token, or a function
 *   that returns it. The function is called before each request; `expired` says that the hub refused the last token, or will soon. An
 *   exception counts as a failed connection and is retried. Without a function, a refused token is final.
 * @property {RequestCredentials} [credentials] For hubs on another origin that know users by cookie: `include`.
 * @property {typeof fetch} [fetch] Sends the requests; default: the global `fetch`. A client with a fetch of its own shares no stream.
 * @property {boolean} [pauseHidden] Close the stream while the page is hidden, and resume when it is visible. Default: false.
 */
/**
 * @typedef {object} FollowOptions Where a follow begins, and which functions get what is not an event. By default it begins now. Only one of
 *   `after`, `since` and `last` can be set.
 * @property {string} [after] The position to resume from: the id of the last event that was handled, or `follow.position`.
 * @property {string} [since] A duration before now such as `10m`, a time as in RFC 3339, or `earliest`.
 * @property {number} [last] The number of newest events, counted over all topics together.
 * @property {string[]} [exact] Further topics, in which an asterisk has no meaning.
 * @property {(gap: Gap) => unknown} [onGap] Called when events are missing: load the current state. The follow waits for a promise, then continues
 *   with the events that the hub has. Without onGap, a gap ends the follow with a {@link GapError}.
 * @property {(end: End) => unknown} [onEnd] Called when topics have ended. The follow ends by itself with its last topic.
 * @property {Schema} [schema] A standard schema (standardschema.dev), which makes `event.value` of the JSON of each event.
 * @property {AbortSignal} [signal] Closes the follow.
 */
/** @typedef {{reason: 'trimmed' | 'reset' | 'rollback' | 'corrupt' | 'lag', from: string, to: string}} Gap Events after `from`, up to `to`, are missing. */
/** @typedef {{id: string, topic: string, topics: string[], end: true}} End These topics are complete. `id` is the position of the end. */
/** @typedef {{kind?: string, status?: number, title?: string, detail?: string, retryAfter?: number, members?: Record<string, any>}} ProblemMembers */
/** @typedef {{'~standard': {validate: (value: unknown) => any}}} Schema */
/** @typedef {{id: string, topic: string, topics: string[], type: string, time: string, data: string, encoding: string}} Envelope */
/** @typedef {Envelope | End | {gap: Gap}} Item */
/** @typedef {{since?: string, last?: number}} Start */
/** @typedef {{id: number, topics: string[], start?: Start, at?: string}} Part */
/** The client of one hub. It sends a `status` event when `status`, `problem` or `via` change. */
export declare class Tidings extends EventTarget {
    #private;
    /** @type {'connecting' | 'open' | 'waiting' | 'closed'} The state of the stream; closed while there are no follows. */
    status: 'connecting' | 'open' | 'waiting' | 'closed';
    /** @type {Problem | undefined} Why the client is waiting. */
    problem: Problem | undefined;
    /** @type {'own' | 'worker' | 'leader' | 'follower'} Who holds the stream. */
    via: 'own' | 'worker' | 'leader' | 'follower';
    /**
     * Sends nothing before the first follow or publish.
     *
     * @param {string | URL} [url] The base URL of the hub, the part before /events. Default: where this file was loaded from.
     * @param {Options} [options]
     */
    constructor(url?: string | URL, options?: Options);
    /**
     * Follows topics, and patterns: `*` stands for one segment between slashes, `**` at the end for any number. No topics at all means everything
     * that the token grants. The follow resumes after each failure, and ends with its last topic.
     *
     * With a handler, events are handed over one after the other; a promise of the handler is awaited. Without one, loop over the follow with
     * `for await`. A handler that throws ends the follow: see {@link Follow.done}.
     *
     * @param {string | string[]} topics
     * @param {((event: TidingsEvent) => unknown) | FollowOptions} [handler]
     * @param {FollowOptions} [options]
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
     * @returns {Promise<{id: string, duplicate: boolean, key: string}>} The position of the event, and whether an earlier call had stored it.
     * @throws {Problem} if the hub refuses the event.
     */
    publish(topics: string | string[], data?: unknown, { type, end, key, signal }?: {
        type?: string;
        end?: boolean;
        key?: string;
        signal?: AbortSignal;
    }): Promise<{
        id: string;
        duplicate: boolean;
        key: string;
    }>;
    /**
     * Returns a value that events change, for frameworks: `subscribe` and `get` are the contract of React's `useSyncExternalStore` and of Svelte's
     * stores. It follows while it has subscribers, by default from the earliest event.
     *
     * @template T
     * @param {string | string[]} topics
     * @param {(value: T, event: TidingsEvent) => T} reduce Returns the next value.
     * @param {T} initial
     * @param {FollowOptions} [options] A gap sets the value to `initial` again, unless there is an onGap.
     * @returns {{get: () => T, subscribe: (listener: (value: T) => unknown) => () => void}}
     */
    state<T>(topics: string | string[], reduce: (value: T, event: TidingsEvent) => T, initial: T, options?: FollowOptions): {
        get: () => T;
        subscribe: (listener: (value: T) => unknown) => () => void;
    };
    /** Closes all follows, and gives up what is being published. */
    close(): void;
}
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
    /** @type {any} What the schema of the follow has made of the data. */
    value: any;
    /** @param {Envelope} envelope */
    constructor({ id, topic, topics, type, time, data, encoding }: Envelope);
    /** The data as bytes. */
    bytes(): Uint8Array<ArrayBufferLike>;
    /** The data as JSON. @returns {any} @throws {SyntaxError} if it is none. */
    json(): any;
}
/** A subscription to topics: an async iterable, or a handler that is called. */
export declare class Follow {
    #private;
    /** @type {string | undefined} The position to resume from: that of the last event that was handled, or of a later checkpoint. */
    position: string | undefined;
    /** @type {Promise<void>} Fulfilled when the hub has begun to send: nothing from then on is missed. Rejected with the reason if the follow ends before. */
    ready: Promise<void>;
    /** @type {Promise<void>} Fulfilled when all topics have ended or the follow was closed; rejected with a {@link Problem}, a {@link GapError}, or what a
     * handler has thrown. A loop throws that, too; without a loop, a rejection that nobody handles is reported as JavaScript does. */
    done: Promise<void>;
    /** @param {Seat} seat @param {string | string[]} topics @param {FollowOptions} [options] @param {(event: TidingsEvent) => unknown} [handler] */
    constructor(seat: Seat, topics: string | string[], options?: FollowOptions, handler?: (event: TidingsEvent) => unknown);
    /**
     * Follows more topics, from now on. The promise is fulfilled when nothing of them is missed any more, and rejected if the hub refuses them;
     * then the follow continues with its other topics.
     *
     * @param {...string} topics
     */
    add(...topics: string[]): Promise<void>;
    /** Stops following topics; without arguments, and when none are left, the follow ends. @param {...string} topics */
    close(...topics: string[]): void;
    /** The events. A loop that ends closes the follow. */
    [Symbol.asyncIterator](): AsyncGenerator<TidingsEvent, void, unknown>;
}
export type Member = {
    /**
     * What it shall have; the hub may still refuse new ones.
     */
    topics: string[];
    matches: (names: string[]) => boolean;
    start?: Start;
    /**
     * The position up to which it has taken everything.
     */
    at?: string;
    /**
     * Its queue takes no more.
     */
    full?: boolean;
    /**
     * It has not taken everything because it was full.
     */
    behind?: boolean;
    /**
     * The last change of its topics.
     */
    changing?: Promise<void>;
    take: (items: Item[]) => void;
    /**
     * Ends the follow after what it has taken.
     */
    finish: (error?: Error) => void;
    /**
     * Ends it at once.
     */
    close: () => void;
};
export type Place = {
    id: number;
    member: Member;
    topics: string[];
    matches: (names: string[]) => boolean;
    /**
     * When the place has asked for what it misses; 0 if it misses nothing.
     */
    wanted: number;
    resolve: (value?: any) => void;
    reject: (why: unknown) => void;
};
export type ToHolder = {
    hello: Part[];
    wake?: boolean;
} | {
    want: number;
    after?: string;
} | {
    bye: true;
};
export type ToSeat = {
    boot: string;
    ids?: number[];
    from?: string;
    to?: string;
    items?: Item[];
    more?: boolean;
    done?: number[];
    refused?: number[];
    status?: Tidings['status'];
    problem?: ProblemMembers;
};
export type Receive = (message: ToSeat) => Promise<void> | undefined;
export type Join = (receive: Receive) => (message: ToHolder) => void;
/** The follows of a client, and what each of them has. */
declare class Seat {
    #private;
    /** @param {(status: Tidings['status'], problem?: ProblemMembers) => void} report Gets the states of the stream. */
    constructor(report: (status: Tidings['status'], problem?: ProblemMembers) => void);
    /** Connects to a holder, instead of the one before. @param {Join} join */
    attach(join: Join): void;
    /** Adds a member. The promise is that of {@link Follow.ready}. @param {Member} member @param {string[]} topics @returns {Promise<void>} */
    join(member: Member, topics?: string[]): Promise<void>;
    /**
     * Changes the topics of a member. Changes follow one another, so that a refused topic takes no other with it. No event of a removed topic
     * arrives after the call.
     *
     * @param {Member} member @param {string[]} add @param {string[]} remove @returns {Promise<void>}
     */
    change(member: Member, add: string[], remove?: string[]): Promise<void>;
    /** @param {Member} member */
    leave(member: Member): void;
    /** Ends all follows. */
    close(): void;
    /** The page is here again: a connection that was open is not trusted. */
    come(): void;
    /** The page goes, and may come back. */
    go(): void;
    /** The queue of a member is empty. @param {Member} member */
    drained(member: Member): void;
}
export type Held = {
    /**
     * Its seat.
     */
    receive: Receive;
    id: number;
    topics: string[];
    matches: (names: string[]) => boolean;
    start?: Start;
    /**
     * The position up to which the seat has everything that came by polls, or had when it said hello.
     */
    at?: string;
    /**
     * A stream can serve it from `at`.
     */
    ready?: boolean;
    /**
     * What brings it there.
     */
    poll?: Stream;
};
/**
 * @typedef {object} Held A part as the holder has it.
 * @property {Receive} receive Its seat.
 * @property {number} id
 * @property {string[]} topics
 * @property {(names: string[]) => boolean} matches
 * @property {Start} [start]
 * @property {string} [at] The position up to which the seat has everything that came by polls, or had when it said hello.
 * @property {boolean} [ready] A stream can serve it from `at`.
 * @property {Stream} [poll] What brings it there.
 */
/** The owner of the streams. It serves any number of seats. */
export declare class Holder {
    #private;
    boot: string;
    requests: Requests;
    /** @param {Requests} requests */
    constructor(requests: Requests);
    /** @type {Join} */
    join: Join;
    /** Tells all seats the state of the stream. @param {Tidings['status']} status @param {Problem} [problem] */
    report(status: Tidings['status'], problem?: Problem): void;
}
/** One stream for the topics of all its parts. While the topics change there are two. */
declare class Line {
    #private;
    /** @param {Holder} holder */
    constructor(holder: Holder);
    /** @param {Held} held */
    add(held: Held): void;
    /** @param {Held} held */
    remove(held: Held): void;
    /** Brings a part what comes after a position, by a poll; without a position, from its start. @param {Held} held @param {string} [after] */
    fetch(held: Held, after?: string): void;
    /** A page is back: its old connection may be dead without anyone having noticed. */
    distrust(): void;
    /** Replaces the stream. @param {boolean} [expired] Its token expires. */
    renew(expired?: boolean): void;
    /** @param {Stream} stream @param {Tidings['status']} status @param {Problem} [problem] */
    report(stream: Stream, status: Tidings['status'], problem?: Problem): void;
    /** A stream has begun. @param {Stream} stream */
    opened(stream: Stream): void;
    /** Passes on what a stream has brought, up to a position. Returns a promise if all seats are full. @param {Stream} stream @param {Item[]} items
     * @param {string} to @param {Iterable<Held>} [parts] */
    deliver(stream: Stream, items: Item[], to: string, parts?: Iterable<Held>): Promise<void | undefined> | undefined;
    /** A poll is complete. @param {Stream} poll */
    fetched(poll: Stream): void;
    /** Nothing more comes: all topics have ended. @param {Stream} stream */
    done(stream: Stream): void;
    /** The hub has refused a stream for good. @param {Stream} stream @param {Problem} problem */
    refused(stream: Stream, problem: Problem): void;
}
/** A stream of the hub over all its connections; or a poll, which brings one part what it misses and is then complete. */
declare class Stream {
    #private;
    parts: Set<Held>;
    topics: Set<string>;
    /** The position up to which everything is delivered; at first the one to resume from. */
    at: string | undefined;
    began: string | undefined;
    poll: boolean | undefined;
    /** When the last bytes came; NaN while nothing is read. By the system's clock: timers stand still while a page is hidden or a machine sleeps. */
    heard: number;
    /** The stream has caught up with the log: what happens arrives at once. */
    live: boolean;
    /** The poll has brought as much as a queue takes, and stops. */
    more: boolean;
    failures: number;
    /** @type {number | undefined} The reconnection time of the hub, in ms. */
    retry: number | undefined;
    /** Topics that have ended. @type {Set<string>} */
    ended: Set<string>;
    signal: AbortSignal;
    /**
     * @param {Requests} requests @param {Line} line @param {Set<Held>} parts @param {string[]} topics
     * @param {{at?: string, start?: Start, poll?: boolean, expired?: boolean}} options
     */
    constructor(requests: Requests, line: Line, parts: Set<Held>, topics: string[], { at, start, poll, expired }: {
        at?: string;
        start?: Start;
        poll?: boolean;
        expired?: boolean;
    });
    stop(): void;
    run(): Promise<void>;
    /** Called before a pause. @param {Problem} problem */
    waiting(problem: Problem): void;
}
export type Task = {
    signal: AbortSignal;
    /**
     * How many attempts in a row have failed.
     */
    failures: number;
    /**
     * The delay after the first failure, in ms.
     */
    retry?: number;
    /**
     * Called before each delay.
     */
    waiting?: (problem: Problem) => void;
};
/**
 * @typedef {object} Task What is repeated until it succeeds.
 * @property {AbortSignal} signal
 * @property {number} failures How many attempts in a row have failed.
 * @property {number} [retry] The delay after the first failure, in ms.
 * @property {(problem: Problem) => void} [waiting] Called before each delay.
 */
/** Sends requests to a hub. */
declare class Requests {
    #private;
    /** Whether there is another token when one is refused. */
    renews: boolean;
    /** @param {string | URL} url @param {Options} options */
    constructor(url: string | URL, options: Options);
    /** Ends the pauses of tasks whose hub has not answered. */
    wake(): void;
    /**
     * Repeats an attempt until it succeeds, or fails for good. Delays double up to a minute; jitter only adds to them.
     *
     * @template T
     * @param {Task} task @param {() => Promise<T>} attempt @returns {Promise<T>}
     */
    persist<T>(task: Task, attempt: () => Promise<T>): Promise<T>;
    /** Requests a stream. @param {Iterable<string>} topics @param {object | undefined} start @param {string | undefined} at @param {AbortSignal} signal
     * @param {boolean} [expired] */
    follow(topics: Iterable<string>, start: object | undefined, at: string | undefined, signal: AbortSignal, expired?: boolean): Promise<Response>;
    /**
     * Sends a request with a token, and once more with a new one if the hub refuses the first.
     *
     * @param {string} query @param {RequestInit} init @param {Record<string, string>} headers @param {boolean} [expired] @returns {Promise<Response>}
     */
    send(query: string, init: RequestInit, headers: Record<string, string>, expired?: boolean): Promise<Response>;
}
/**
 * Why the hub refuses something, or cannot be reached.
 *
 * `kind` is the last part of the hub's problem type, such as `forbidden` or `ended`. Kinds of the client itself: `unreachable`, `silent`,
 * `stream-ended`, `no-token`; `not-a-hub` if the answer is none of a hub, `invalid-request`, `invalid-event` and `closed`.
 */
export declare class Problem extends Error {
    kind: string | undefined;
    /** The status of the answer; undefined if the hub has not answered. */
    status: number | undefined;
    title: string | undefined;
    /** What is wrong, and what to do. */
    detail: string | undefined;
    /** How long the hub asks to wait, in ms. */
    retryAfter: number | undefined;
    /** All other members of the problem document. @type {Record<string, any> | undefined} */
    members: Record<string, any> | undefined;
    /** @param {ProblemMembers} members */
    constructor({ kind, status, title, detail, retryAfter, members }?: ProblemMembers);
    /** Whether it is of no use to try again. */
    get final(): boolean;
}
/** The end of a follow without onGap: events are missing. */
export declare class GapError extends Error {
    gap: Gap;
    /** @param {Gap} gap */
    constructor(gap: Gap);
}
export type Block = {
    type: string;
    data: string;
    id: string;
};
/** @typedef {{type: string, data: string, id: string}} Block A block of an event stream that has data. */
/**
 * Returns a function that parses the bytes of one event stream, cut anywhere (WHATWG HTML, sections 9.2.5 and 9.2.6). It returns the last event ID.
 *
 * @param {(block: Block) => void} dispatch @param {(ms: number) => void} reconnect Gets the reconnection times.
 * @returns {(bytes: Uint8Array) => string}
 */
export declare function parser(dispatch: (block: Block) => void, reconnect: (ms: number) => void): (bytes: Uint8Array) => string;
/** Whether a pattern, or a topic, has all events of another one (docs/protocol.md, Topics). @param {string} pattern @param {string} topic */
export declare function covers(pattern: string, topic: string): boolean;
export {};
