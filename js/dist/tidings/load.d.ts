/** The part that stores something in the browser; build.js puts its address at a hub here. */
export declare const storage: () => Promise<typeof import("./outbox.js")>;
