import type { Follow, Item } from './follow.js';
import type { ProblemMembers } from './problem.js';
import type { Requests } from './requests.js';
import type { Status } from '../tidings.js';
import { Problem } from './problem.js';
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
    missing?: string | false;
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
    status: Status;
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
     * A later position than that of the follow, of which the place has been told.
     */
    missing?: string;
    resolve: (value?: any) => void;
    reject: (why: unknown) => void;
};
/** @typedef {{since: string} | {last: number}} Start */
/** @typedef {{id: number, topics: string[], start?: Start, at?: string, full?: boolean, missing?: string | false}} Part */
/** @typedef {{seat?: string, visible?: boolean, hello?: Part[], ack?: number, wake?: boolean}} Call A message of a seat. */
/**
 * @typedef {object} Reply A message of a holder.
 * @property {number} sent
 * @property {Status} status
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
 * @property {string} [missing] A later position than that of the follow, of which the place has been told.
 * @property {(value?: any) => void} resolve
 * @property {(why: unknown) => void} reject
 */
/** The follows of a client, and what each of them has. */
export declare class Seat {
    #private;
    requests: Requests;
    /** Those that have not ended, with a place or without. @type {Set<Follow>} */
    follows: Set<Follow>;
    /** @param {Requests} requests @param {(status: Status, problem?: ProblemMembers) => void} report Gets the states of the stream. */
    constructor(requests: Requests, report: (status: Status, problem?: ProblemMembers) => void);
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
