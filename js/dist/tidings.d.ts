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
export type ProblemMembers = {
    kind?: string;
    status?: number;
    title?: string;
    detail?: string;
    retryAfter?: number;
    members?: Record<string, any>;
};
/** The client of one hub. It sends a `status` event when `status`, `problem` or `via` change. */
export declare class Tidings extends EventTarget {
    #private;
    /** The state of the stream; closed while there are no follows. @type {'connecting' | 'open' | 'waiting' | 'closed'} */
    status: 'connecting' | 'open' | 'waiting' | 'closed';
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
export type SeatOfClient = Seat;
export type RequestsOfClient = Requests;
export type Start = {
    since: string;
} | {
    last: number;
};
export type Part = {
    id: number;
    topics: string[];
    start?: Start;
    at?: string;
    full?: boolean;
    missing?: boolean;
};
export type Call = {
    seat?: string;
    visible?: boolean;
    hello?: Part[];
    ack?: number;
    wake?: boolean;
};
export type Reply = {
    sent: number;
    status: Tidings['status'];
    problem?: ProblemMembers;
    ids?: number[];
    from?: string;
    to?: string;
    items?: Item[];
    over?: boolean;
    why?: ProblemMembers;
};
export type Place = {
    id: number;
    follow: Follow;
    topics: string[];
    /**
     * The place serves the follow, and no older one does.
     */
    begun?: boolean;
    /**
     * The place has been told of a later position than that of the follow.
     */
    missing?: boolean;
    resolve: (value?: any) => void;
    reject: (why: unknown) => void;
};
/** @typedef {Seat} SeatOfClient */
/** @typedef {Requests} RequestsOfClient */
/** @typedef {{since: string} | {last: number}} Start */
/** @typedef {{id: number, topics: string[], start?: Start, at?: string, full?: boolean, missing?: boolean}} Part */
/** @typedef {{seat?: string, visible?: boolean, hello?: Part[], ack?: number, wake?: boolean}} Call A message of a seat. */
/**
 * @typedef {object} Reply A message of a holder.
 * @property {number} sent
 * @property {Tidings['status']} status
 * @property {ProblemMembers} [problem]
 * @property {number[]} [ids]
 * @property {string} [from]
 * @property {string} [to]
 * @property {Item[]} [items]
 * @property {boolean} [over]
 * @property {ProblemMembers} [why]
 */
/**
 * @typedef {object} Place A follow under one of its ids. It has two while its topics change: the old one serves until the new one does.
 * @property {number} id
 * @property {Follow} follow
 * @property {string[]} topics
 * @property {boolean} [begun] The place serves the follow, and no older one does.
 * @property {boolean} [missing] The place has been told of a later position than that of the follow.
 * @property {(value?: any) => void} resolve
 * @property {(why: unknown) => void} reject
 */
/** The follows of a client, and what each of them has. */
declare class Seat {
    #private;
    requests: Requests;
    /** Those that have not ended, with a place or without. @type {Set<Follow>} */
    follows: Set<Follow>;
    /** @param {Requests} requests @param {(status: Tidings['status'], problem?: ProblemMembers) => void} report Gets the states of the stream. */
    constructor(requests: Requests, report: (status: Tidings['status'], problem?: ProblemMembers) => void);
    /** Connects to a holder, instead of the one before. @param {(call: Call) => void} send */
    attach(send: (call: Call) => void): void;
    /** Gives a follow a place. The promise is that of {@link Follow.ready}. @param {Follow} follow @returns {Promise<void>} */
    join(follow: Follow, topics?: string[]): Promise<void>;
    /** Changes the topics of a follow. Changes follow one another, so that a refused topic takes no other with it.
     * @param {Follow} follow @param {string[]} add @param {string[]} remove @returns {Promise<void>} */
    change(follow: Follow, add: string[], remove: string[]): Promise<void>;
    /** @param {Follow} follow */
    leave(follow: Follow): void;
    /** The client cannot ask for a stream yet. @param {Problem} problem */
    wait(problem: Problem): void;
    /** Ends all follows. */
    close(): void;
    /** The page is here again: a connection that was open is not trusted. */
    come(): void;
    /** The page goes, and may come back. */
    go(): void;
    /** Says hello, once for all changes of a turn. @param {boolean} [wake] */
    greet(wake?: boolean): void;
    /** Returns the message that tells the holder everything. @param {boolean} [wake] @returns {Call} */
    hello(wake?: boolean): Call;
    /** Takes a message of a holder. @param {Reply} reply */
    receive({ sent, status, problem, ids, from, to, items, over, why }: Reply): void;
}
export type Link = {
    parts: Map<number, Held>;
    /**
     * The cost of all messages to the seat, and of those that it has acknowledged.
     */
    sent: number;
    ack: number;
    visible: boolean | undefined;
    /**
     * When it has said hello.
     */
    heard: number;
    send: (message: any) => void;
};
export type Held = {
    /**
     * Its seat.
     */
    link: Link;
    id: number;
    topics: string[];
    matches: (names: string[]) => boolean;
    start?: Start;
    /**
     * The position up to which everything was sent to the seat.
     */
    at?: string;
    /**
     * The seat takes nothing for it.
     */
    full?: boolean;
    /**
     * What brings it to the stream.
     */
    poll?: Stream;
};
/** The owner of the stream, which serves any number of seats. */
declare class Holder {
    #private;
    requests: Requests;
    /** The seats, by their names. @type {Map<string | undefined, Link>} */
    links: Map<string | undefined, Link>;
    /** @param {Requests} requests */
    constructor(requests: Requests);
    /**
     * Takes a message of a seat, and answers a hello: with where the stream is, so that the seat notices what it has missed. A message without hello
     * is a goodbye.
     *
     * @param {Call} call @param {(reply: Reply) => void} [send] Sends messages to the seat, from now on.
     */
    take({ seat, visible, hello, ack, wake }: Call, send?: (reply: Reply) => void): void;
    /** Replaces the stream. @param {boolean} [expired] Its token expires. */
    renew(expired?: boolean): void;
    /** Tells the seats how the stream is, or a poll if there is no stream. @param {Tidings['status']} status @param {Stream} [from] @param {Problem} [problem] */
    report(status: Tidings['status'], from?: Stream, problem?: Problem): void;
    /** A stream has begun. @param {Stream} [stream] */
    opened(stream?: Stream): void;
    /** Passes on what a stream has brought, up to a position, and waits while all of its seats are full. @param {Stream} stream
     * @param {Item[]} items @param {string} to */
    deliver(stream: Stream, items: Item[], to: string): Promise<void>;
    /** Waits until a poll may open. @param {Stream} poll */
    turn(poll: Stream): Promise<void>;
    /** The turn of a poll is over: it has ended, or it waits for a seat with room. @param {Stream} poll */
    pass(poll: Stream): void;
    /** A poll is complete. @param {Stream} poll @param {string} [began] */
    fetched({ at, parts: [held] }: Stream, began?: string): void;
    /** A stream is over: nothing more comes, or the hub refuses it for good. @param {Stream} stream @param {Problem} [problem] */
    over(stream: Stream, problem?: Problem): void;
    /** Some of the events of a stream are missing: each of its parts asks for its own. @param {Stream} stream */
    scatter({ at, parts }: Stream): void;
}
/** A stream of the hub over all its connections; or a poll, which brings one part what it misses and is then complete. */
declare class Stream {
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
    /** The base URL of the hub. */
    base: URL;
    /** @param {string | URL} url @param {Options} options @param {AbortSignal} signal Ends the client. */
    constructor(url: string | URL, options: Options, signal: AbortSignal);
    /** Ends the pauses of tasks, unless the hub has asked for them. */
    wake(): void;
    /**
     * Repeats an attempt until it succeeds, or fails for good. Pauses double up to a minute; jitter only adds to them. The requests of an attempt
     * end with it.
     *
     * @template T
     * @param {Task} task @param {(attempt: AbortController) => Promise<T>} run @returns {Promise<T>}
     */
    persist<T>(task: Task, run: (attempt: AbortController) => Promise<T>): Promise<T>;
    /** Requests a stream. @param {Iterable<string>} topics @param {object} parameters @param {string | undefined} at @param {AbortSignal} signal
     * @param {boolean} [expired] */
    follow(topics: Iterable<string>, parameters: object, at: string | undefined, signal: AbortSignal, expired?: boolean): Promise<Response>;
    /**
     * Sends a request with a token, and once more with a new one if the hub refuses the first.
     *
     * @param {string} query @param {RequestInit} init @param {Record<string, string>} headers @param {boolean} [expired] @param {Problem} [refusal]
     * @returns {Promise<Response>}
     */
    send(query: string, init: RequestInit, headers: Record<string, string>, expired?: boolean, refusal?: Problem): Promise<Response>;
    /** @param {boolean} expired */
    token(expired: boolean): Promise<string | undefined>;
    /** Returns who uses the client: by default, the subject of the token. @param {Task['waiting']} [waiting] */
    identity(waiting?: Task['waiting']): Promise<string>;
    /** @param {ProblemMembers} members */
    problem(members: ProblemMembers): Problem;
}
/**
 * Why the hub refuses something, or cannot be reached.
 *
 * `kind` is the last part of the hub's problem type, such as `forbidden` or `ended`. Kinds of the client itself: `failed` if the hub cannot be
 * reached or the token function has thrown, `silent` and `stream-ended`, after which it tries again; `not-a-hub` if the answer is none of a hub,
 * `invalid-event` and `closed`.
 */
export declare class Problem extends Error {
    name: string;
    /** @type {string | undefined} */
    kind: string | undefined;
    /** The status of the answer; undefined if the hub has not answered. @type {number | undefined} */
    status: number | undefined;
    /** @type {string | undefined} */
    title: string | undefined;
    /** What is wrong, and what to do. @type {string | undefined} */
    detail: string | undefined;
    /** How long the hub asks to wait, in ms. @type {number | undefined} */
    retryAfter: number | undefined;
    /** All other members of the problem document. @type {Record<string, any> | undefined} */
    members: Record<string, any> | undefined;
    /** @param {ProblemMembers} members */
    constructor(members: ProblemMembers);
    /** Whether it is of no use to try again. */
    get final(): boolean;
}
/** The end of a follow without onGap: events are missing. */
export declare class GapError extends Error {
    gap: Gap;
    name: string;
    /** @param {Gap} gap */
    constructor(gap: Gap);
}
export type Block = {
    type: string;
    data: string;
    id: string;
};
/**
 * Returns a function that parses the bytes of one event stream, cut anywhere (WHATWG HTML, sections 9.2.5 and 9.2.6). It returns the last event ID.
 *
 * @param {(block: Block) => void} dispatch @param {(ms: number) => void} reconnect Gets the reconnection times.
 * @returns {(bytes: Uint8Array) => string}
 */
export declare function parser(dispatch: (block: Block) => void, reconnect: (ms: number) => void): (bytes: Uint8Array) => string;
/** Whether a pattern, or a topic, has all events of another one (docs/protocol.md, Topics). @param {string} pattern @param {string} topic */
export declare function covers(pattern: string, topic: string): boolean;
export type TabCall = {
    /**
     * A random name.
     */
    seat: string;
    /**
     * Tells a new worker how to reach the hub.
     */
    reach: Reach;
    /**
     * The number of the question that `token` or `error` answers.
     */
    ask?: number;
    token?: string;
    error?: string;
};
export type TabReply = {
    build: string;
    /**
     * A lock that the worker holds while it lives.
     */
    life?: string;
    /**
     * The seat; without it, there is a new desk, and all seats say hello.
     */
    for?: string;
    /**
     * Asks for a token.
     */
    ask?: number;
    expired?: boolean;
    /**
     * Asks the seat to take the lock.
     */
    lead?: boolean;
    /**
     * The desk does not understand the seat.
     */
    fault?: string;
};
export type Reach = {
    url: string;
    token: boolean;
    credentials?: RequestCredentials;
};
export {};
