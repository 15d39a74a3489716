import type { ProblemMembers } from './problem.js';
import type { Options } from '../tidings.js';
/** @import { ProblemMembers } from './problem.js' */
/** @import { Options } from '../tidings.js' */
import { Problem } from './problem.js';
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
export declare class Requests {
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
