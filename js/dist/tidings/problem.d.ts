export type ProblemMembers = {
    kind?: string;
    status?: number;
    title?: string;
    detail?: string;
    retryAfter?: number;
    members?: Record<string, any>;
};
/** @typedef {{kind?: string, status?: number, title?: string, detail?: string, retryAfter?: number, members?: Record<string, any>}} ProblemMembers */
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
/** @param {string} detail */
export declare const failed: (detail: string) => Problem;
/** @param {string} why */
export declare const noHub: (why: string) => Problem;
/** The longest silence of a connection, in ms. The hub sends something every 25 s. */
export declare const longestSilence = 90000;
export declare const silence: () => Problem;
export declare const closed: () => Problem;
/** Makes a problem of an answer, which is a problem document or another text. @param {number} status @param {any} content @param {Response} [response] */
export declare function problemOf(status: number, content: any, response?: Response): Problem;
