import type { Item } from './follow.js';
import type { Problem } from './problem.js';
import type { Requests } from './requests.js';
import type { Call, Reply, Start } from './seat.js';
import type { Status } from '../tidings.js';
import { Stream } from './stream.js';
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
    /**
     * Takes the answer of the seat when it was asked for a token.
     */
    answer?: (call: any) => void;
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
export declare class Holder {
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
    /** Tells the seats how the stream is, or a poll if there is no stream. @param {Status} status @param {Stream} [from] @param {Problem} [problem] */
    report(status: Status, from?: Stream, problem?: Problem): void;
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
