/**
 * Who is present at a topic of a Tidings hub. It stands alone: pages that do not use it do not load it, and it does not need tidings.js.
 *
 *     import { Presence } from 'https://hub.example/tidings.presence.js' // or from 'tidings/presence'
 *
 *     const room = new Presence('https://hub.example', 'room/1', { token, join: true })
 *     room.addEventListener('change', () => show(room.subjects, room.members))
 *
 * @module
 */
export type Member = {
    subject: string;
    data?: any;
};
export type PresenceOptions = {
    /**
     * As in tidings.js: a token, or a function
     * that is asked for each connection; `expired` says that the hub has refused the last one, or that it ends soon.
     */
    token?: string | ((of: {
        expired: boolean;
    }) => string | undefined | Promise<string | undefined>);
    /**
     * Be present, too. The member is the subject of the token.
     */
    join?: boolean;
    /**
     * For `join` at a hub without keys: who is present; without it only the stream counts.
     */
    subject?: string;
    /**
     * For `join` at a hub without keys: what others see of the subject, as JSON of at most 256 bytes.
     */
    data?: unknown;
    /**
     * As for `fetch`.
     */
    credentials?: RequestCredentials;
    /**
     * Closes it.
     */
    signal?: AbortSignal;
};
/**
 * The presence at a topic, over a stream of its own. Browsers allow six connections to a hub over HTTP/1.1, and a hundred streams over HTTP/2.
 *
 * It sends an event `change` when a member comes, has other data, or leaves, or when a number changes. The `detail` of the event has the changes:
 * `{in: Member[], out: string[]}`. It sends `status` when {@link Presence.status} changes.
 */
export declare class Presence extends EventTarget {
    #private;
    /** The topic. */
    topic: string;
    /** closed after {@link Presence.close}, and when the hub has refused for good. @type {'connecting' | 'open' | 'waiting' | 'closed'} */
    status: 'connecting' | 'open' | 'waiting' | 'closed';
    /** Why it waits, or was refused. @type {(Error & {status?: number, kind?: string, retryAfter?: number}) | undefined} */
    problem: (Error & {
        status?: number;
        kind?: string;
        retryAfter?: number;
    }) | undefined;
    /** How many streams have asked to be seen. */
    streams: number;
    /** How many subjects are present. */
    subjects: number;
    /** Members may be missing: the hub has just begun to serve, and they are coming back. */
    settling: boolean;
    /** All members by subject, in the order of their subjects; undefined while there are more than 100. See {@link Presence.roster}. @type {Map<string, Member> | undefined} */
    members: Map<string, Member> | undefined;
    /** Connects at once. @param {string | URL} url The base URL of the hub, the part before /events. @param {string} topic @param {PresenceOptions} [options] */
    constructor(url: string | URL, topic: string, options?: PresenceOptions);
    /** Leaves, and ends the stream. Others see it 15 s later. */
    close(): void;
    /**
     * All members of the topic, however many there are, in pages as the loop needs them. After {@link Presence.close} it throws an AbortError.
     *
     * @returns {AsyncGenerator<Member, void, void>}
     */
    roster(): AsyncGenerator<Member, void, void>;
}
