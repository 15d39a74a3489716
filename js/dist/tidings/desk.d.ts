import type { Call } from './seat.js';
/** The version of this file: build.js puts its hash here. Tabs and workers of different versions do not talk to each other. */
export declare const build = "source";
/** The time between two hellos, in ms. */
export declare const pinging = 5000;
/** How many hellos in a row a visible tab sends to a silent leader before it takes the lock. */
export declare const patience = 3;
/** For how long a holder goes on after another tab has taken its lock, and for how long a tab may look for a token, in ms. */
export declare const handover = 10000;
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
     * `token` or `error` is the answer to a question.
     */
    ask?: boolean;
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
    ask?: boolean;
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
/**
 * @typedef {object} TabCall A message of a tab to a desk: a {@link Call}, or the answer to a question.
 * @property {string} seat A random name.
 * @property {Reach} reach Tells a new worker how to reach the hub.
 * @property {boolean} [ask] `token` or `error` is the answer to a question.
 * @property {string} [token]
 * @property {string} [error]
 */
/**
 * @typedef {object} TabReply What a message of a desk has besides a {@link Reply}, or instead of it.
 * @property {string} build
 * @property {string} [life] A lock that the worker holds while it lives.
 * @property {string} [for] The seat; without it, there is a new desk, and all seats say hello.
 * @property {boolean} [ask] Asks for a token.
 * @property {boolean} [expired]
 * @property {boolean} [lead] Asks the seat to take the lock.
 * @property {string} [fault] The desk does not understand the seat.
 */
/** @typedef {{url: string, token: boolean, credentials?: RequestCredentials}} Reach */
/** Returns a holder for several tabs. @param {Reach} reach */
export declare function deskOf({ url, token, credentials }: Reach): {
    /** Takes a message of a tab, and answers with send. @param {Call & TabCall} call @param {(reply: any) => void} send */
    take(call: Call & TabCall, send: (reply: any) => void): void;
    /** Returns a visible seat other than the given one. @param {string} but */
    visibleSeat: (but: string) => string | undefined;
    stop(): void;
};
